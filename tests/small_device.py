"""A device that is too small, in front of a real model: all that is faked is its size."""

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from inference.families.model import UNetModel

PLACE = 2**21
"""Bytes that a pass is said to take for each row and latent place."""

PLENTY = 2**60


def first(inputs: tuple[Tensor, ...], named: dict[str, Any]) -> Tensor:
    """What a network is called with: latents, a picture or the tokens of a prompt."""
    if inputs:
        return inputs[0]
    return named["sample"] if "sample" in named else named["input_ids"]


class OnCpu(RuntimeError):
    """Raised as torch's allocator for the CPU raises it, a RuntimeError with this text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: {text}")


class SmallDevice:
    """Refuses passes over too many rows × latent places, as an accelerator does.

    denoise, encode, decode, read: the most of each; `read` counts tokens of prompts. They may be
        changed at any time.
    sliced: what `denoise` is while attention is sliced. resting: what the limits of the
        autoencoder are while the text encoders are away.
    It is a `Memory` too, whose free bytes are those that `denoise` stands for.
    error: what it raises.
    """

    kills = False

    def __init__(self, *, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.denoise = self.encode = self.decode = self.read = PLENTY
        self.sliced: int | None = None
        self.resting: int | None = None
        self.error = error
        self.passes: Counter[tuple[str, int, int]] = Counter()
        """How often there was one: its use, its rows and its places."""
        self.refused = 0
        self.released = 0
        self.lost: list[weakref.ref[Tensor]] = []
        """What was in memory when a pass was refused."""
        self.away: set[int] = set()
        self._peak = 0

    def free(self) -> int:
        return self.denoise * PLACE

    def watch(self) -> None:
        self._peak = 0

    def peak(self) -> int | None:
        return self._peak

    def release(self) -> None:
        self.released += 1

    def rows(self, use: str = "denoise") -> list[int]:
        """Of all passes of this use so far, in any order."""
        return sorted(
            rows for (kind, rows, _), times in self.passes.items() for _ in range(times)
            if kind == use
        )  # fmt: skip

    @contextmanager
    def holding(self, model: UNetModel) -> Iterator[UNetModel]:
        """The model on this device. It is the same model, so only one can hold it at a time."""
        unet, vae, texts = model.unet, model.codec.network, model.modules.text_encoders
        factor = model.codec.factor
        with ExitStack() as stack:
            for module, use, divisor in (
                (unet, "denoise", 1), (vae.encoder, "encode", factor), (vae.decoder, "decode", 1),
                *((text, "read", 1) for text in texts),
            ):  # fmt: skip

                def look(
                    _: Any, inputs: Any, named: Any, use: str = use, divisor: int = divisor
                ) -> None:
                    self._take(use, first(inputs, named), divisor, self._limit(use, unet, texts))

                hook = module.register_forward_pre_hook(look, with_kwargs=True)
                stack.callback(hook.remove)
            for module in (vae, *texts):
                stack.enter_context(self._followed(module))
            stack.callback(unet.set_attn_processor, dict(unet.attn_processors))
            stack.callback(vae.disable_tiling)
            # Another name of the CPU: what is moved there stays real, and yet has been moved.
            yield replace(model, device=torch.device("cpu:0"))

    def _limit(self, use: str, unet: Any, texts: tuple[Any, ...]) -> int:
        if use == "denoise" and self.sliced is not None:
            kinds = {type(processor).__name__ for processor in unet.attn_processors.values()}
            if all("Sliced" in kind for kind in kinds):
                return self.sliced
        resting = all(id(text) in self.away for text in texts)
        if use in ("encode", "decode") and self.resting is not None and resting:
            return self.resting
        return int(getattr(self, use))

    def _take(self, use: str, given: Tensor, divisor: int, limit: int) -> None:
        places = given[0, 0].numel() // divisor**2 if given.ndim == 4 else given.shape[1]
        taken = given.shape[0] * places
        if taken > limit:
            self.refused += 1
            working = given.clone()
            self.lost.append(weakref.ref(working))
            raise self.error(f"tried to allocate {taken * PLACE} bytes")
        self.passes[use, given.shape[0], places] += 1
        self._peak = max(self._peak, taken * PLACE)

    @contextmanager
    def _followed(self, module: Any) -> Iterator[None]:
        """Knows whether a module is here."""
        move = module.to

        def to(*where: Any, **options: Any) -> Any:
            here = where[0] == torch.device("cpu:0")
            (self.away.discard if here else self.away.add)(id(module))
            return move(*where, **options)

        module.to = to
        try:
            yield
        finally:
            del module.to
