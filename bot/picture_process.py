"""The process that decodes strangers' pictures: `python -m bot.picture_process LIMITS`.

It reads frames from stdin and answers each with one on stdout. A frame is two big-endian
32-bit lengths, a JSON object and bytes. Nothing is ever pickled: a decoder that was taken over
by a picture must not be able to run code in the bot.

It ends when stdin ends, and a job that outlasts its time ends it too, so that it survives
neither the bot nor a picture.
"""

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from PIL import AvifImagePlugin

from bot.picture_frames import LENGTHS, PictureLimits
from inference.comparison import labelled_sheet, side_by_side, wipe
from inference.encoding import encode_for_upload, thumbnail
from inference.errors import RequestError
from inference.images import normalise
from inference.provenance import provenance_of
from inference.texts import read_texts


def main() -> None:
    """Answers until stdin ends."""
    limits = PictureLimits.from_json(sys.argv[1])
    _confine(limits)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # What C libraries print must not look like an answer, and strangers' broken files must not
    # fill the bot's log with it. Tracebacks of ours still get there.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    while (frame := _read(requests)) is not None:
        order, body = frame
        # The bot's own clock goes first; this one is for a job that outlives the bot. Its
        # default action ends the process.
        signal.setitimer(signal.ITIMER_REAL, limits.seconds + 1)
        try:
            header, answer = _do(order, body, limits)
        except RequestError as error:
            header, answer = {"error": str(error)}, b""
        signal.setitimer(signal.ITIMER_REAL, 0)
        header["peak"] = _peak_memory()
        try:
            _write(answers, header, answer)
        except BrokenPipeError:
            return  # the bot is gone


def _confine(limits: PictureLimits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # others accept this limit and do not keep it, or refuse it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread of a decoder costs address space


def _do(order: dict[str, Any], body: bytes, limits: PictureLimits) -> tuple[dict[str, Any], bytes]:
    """One job: the answer's JSON object and bytes. Raises RequestError."""
    match order["do"]:
        case "normalise":
            made = normalise(
                body,
                max_bytes=limits.max_bytes,
                max_pixels=limits.max_pixels,
                max_side=limits.max_side,
                transparency=order["transparency"],
            )
            return {"width": made.width, "height": made.height, "note": made.note}, made.data
        case "encode":
            encoded = encode_for_upload(body, order["limit"])
            return {"extension": encoded.extension, "note": encoded.note}, encoded.data
        case "compare":
            before, after = body[: order["split"]], body[order["split"] :]
            sheet = side_by_side(before, after)
            return {"split": len(sheet)}, sheet + wipe(before, after)
        case "provenance":
            said = provenance_of(read_texts(body))
            return {"said": asdict(said) if said else None}, b""
        case _:
            return {}, _drawn(order, body)


def _drawn(order: dict[str, Any], body: bytes) -> bytes:
    """One job whose answer is a picture and nothing else. Raises RequestError."""
    match order["do"]:
        case "thumbnail":
            return thumbnail(body, order["side"])
        case "sheet":
            ends = [0, *accumulate(order["sizes"])]
            pictures = [body[start:end] for start, end in pairwise(ends)]
            return labelled_sheet(pictures, order["labels"])
        case "mask":
            # It brings numpy, which no other order needs.
            from inference.tasks.painted import mask_by_hand

            return mask_by_hand(body[: order["split"]], body[order["split"] :])
        case other:
            raise ValueError(f"unknown order {other!r}")


def _peak_memory() -> int:
    """Most memory this process ever had resident, in bytes."""
    try:
        # getrusage counts what the parent had when it forked; this is ours alone.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, or None at the end."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    first, second = LENGTHS.unpack(lengths)
    header, body = stream.read(first), stream.read(second)
    return (json.loads(header), body) if len(header) + len(body) == first + second else None


def _write(stream: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    encoded = json.dumps(header).encode()
    stream.write(LENGTHS.pack(len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


if __name__ == "__main__":
    main()
