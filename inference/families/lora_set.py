"""LoRAs that are in force together."""

from dataclasses import dataclass

Mix = tuple[tuple[str, float], ...]
"""The key of each LoRA in memory, and its weight."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, weakref_slot=True)
class LoraSet:
    """One mix; while anybody holds it, its LoRAs stay in memory.

    text: those of `mix` that change how prompts are read.
    pins: what to note beside the result, as pairs of “lora NAME” and the file's fingerprint.
    """

    mix: Mix
    text: Mix
    pins: tuple[tuple[str, str], ...]


NO_LORAS = LoraSet(mix=(), text=(), pins=())
