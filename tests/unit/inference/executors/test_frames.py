"""Frames: what was sent arrives, and nothing but messages can be sent or received."""

import asyncio
import io
import os
import pickle
from fractions import Fraction

import pytest

from inference.errors import EngineFault, GenerationCancelled
from inference.executors import frames
from inference.executors.messages import Advanced, Cancel, Finished, Message, Run
from inference.options import OPTIONS, Outpaint
from inference.request import Recipe
from inference.result import GeneratedImage, GenerationResult, Progress


class Text(str):
    """Like torch's version, a string that is none."""


def result(**versions: str) -> GenerationResult:
    return GenerationResult(
        images=(GeneratedImage(data=b"png" * 1000, width=8, height=8, seed=1),),
        model="m",
        revision="r",
        scheduler="s",
        steps_run=1,
        seconds=0.5,
        versions=versions,
    )


MESSAGES: list[Message] = [
    Run(ticket=1, request=Recipe(prompt="a “fox”").with_picture(b"\0" * 100_000)),
    Cancel(ticket=2),
    Advanced(ticket=3, progress=Progress(step=1, steps=2, preview=b"jpeg")),
    Finished(ticket=4, outcome=result(torch="2.13.0")),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
async def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    frame = frames.encode(message)
    assert frames.read(io.BytesIO(frame)) == message
    reader = asyncio.StreamReader()
    reader.feed_data(frame)
    reader.feed_eof()
    assert await frames.read_async(reader) == message
    assert await frames.read_async(reader) is None


@pytest.mark.parametrize("task", OPTIONS)
def test_the_options_of_a_task_and_its_second_picture_arrive(task: str) -> None:
    options = Outpaint(left=0.5) if task == "outpaint" else None
    recipe = Recipe(prompt="x", task=task, options=options)
    second = b"png" if OPTIONS[task].second else None
    sent = Run(ticket=1, request=recipe.with_picture(b"png", second))
    assert frames.read(io.BytesIO(frames.encode(sent))) == sent


def test_an_error_arrives_with_its_notes() -> None:
    fault = EngineFault("KeyError: 'x'")
    fault.add_note("the traceback")
    arrived = frames.read(io.BytesIO(frames.encode(Finished(ticket=1, outcome=fault))))
    assert isinstance(arrived, Finished)
    assert isinstance(arrived.outcome, EngineFault)
    assert str(arrived.outcome) == "KeyError: 'x'"
    assert arrived.outcome.__notes__ == ["the traceback"]


def test_a_torn_frame_is_an_end() -> None:
    frame = frames.encode(Finished(ticket=1, outcome=GenerationCancelled("x")))
    for length in (0, 3, 4, len(frame) - 1):
        assert frames.read(io.BytesIO(frame[:length])) is None


@pytest.mark.parametrize("foreign", [Fraction(1, 2), Text("2.13.0"), os.system, Text])
def test_foreign_values_are_not_sent(foreign: object) -> None:
    with pytest.raises(frames.FrameError, match="does not belong in a message"):
        frames.encode(Finished(ticket=1, outcome=result(torch=foreign)))  # type: ignore[arg-type]


class _Call:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


class _Walk:
    def __reduce__(self) -> tuple[object, ...]:
        return pickle.loads, (b"",)


@pytest.mark.parametrize(
    "body",
    [
        pickle.dumps(_Call()),
        pickle.dumps(_Walk()),
        b"\x80\x04\x8c\x11inference.request\x8c\njson.loads\x93.",  # a dotted name
        b"\x80\x04\x8c\x11inference.request\x8c\x04Self\x93.",  # something imported there
        b"\x80\x04K\x01(K\x02e.",  # appends to a number
        b"nonsense",
        b"",
    ],
)
def test_foreign_values_are_not_received(body: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.decode(body)
