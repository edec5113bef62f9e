"""The autoencoder's PSNR, the game's end, and the time a picture takes."""

import json
import time

import numpy as np
import torch

from inference.families.latents import LatentCodec
from inference.families.load import default_dtype, find_device, load_model
from inference.training.data import Pixels
from inference.training.gan import GAME
from inference.training.quality.bench import Bench, average, seeds
from inference.training.quality.findings import Finding, absent, percent
from inference.training.quality.measures import psnr
from inference.training.scenes import picture_of
from inference.training.styles import STYLES

ROUNDS = 5


def autoencoder(bench: Bench) -> list[Finding]:
    """Pictures to latents and back, through the codec that the engine uses."""
    what = "autoencoder"
    aims = (("the world in all styles", 28.0), ("held-out photographs", 24.0))
    if not bench.studio.has("pocket"):
        return [absent(what, f"PSNR, {name}", f"≥ {aim:g} dB") for name, aim in aims]
    device = find_device("auto")
    folder = bench.studio.folder("pocket")
    codec = load_model(folder, device, default_dtype(device, exact=True)).codec
    names = list(STYLES)
    world = [
        picture_of(seed, (bench.side, bench.side), names[seed % len(names)])
        for seed in seeds(0, bench.count)
    ]
    findings = []
    for (name, aim), pile in zip(aims, (world, list(bench.photos)), strict=True):
        if not pile:
            continue
        back = [_roundtrip(codec, one) for one in pile]
        found = average([psnr(a, b) for a, b in zip(pile, back, strict=True)])
        bench.show(f"autoencoder-{name.split()[-1]}", [pile, back], 3)
        findings.append(
            Finding(
                what=what,
                measure=f"PSNR, {name}",
                found=f"{found:.1f} dB",
                aim=f"≥ {aim:g} dB",
                met=found >= aim,
            )
        )
    return findings


@torch.inference_mode()
def _roundtrip(codec: LatentCodec, picture: Pixels) -> Pixels:
    return codec.decode(codec.scale(codec.encode([picture])[0].mean))[0]


def game(bench: Bench) -> list[Finding]:
    """What training wrote down at its end: the discriminator's accuracy on held-out pairs."""
    what, aim = "GAN game", 0.65
    findings = []
    for role in ("color", "sketch"):
        measure = f"discriminator right on held-out pairs at the end, {role}"
        path = bench.studio.folder(role) / GAME if bench.studio.has(role) else None
        if path is None or not path.is_file():
            findings.append(absent(what, measure, f"≤ {percent(aim)}"))
            continue
        found = float(json.loads(path.read_text("utf-8"))["accuracy"])
        findings.append(
            Finding(
                what=what,
                measure=measure,
                found=percent(found),
                aim=f"≤ {percent(aim)}",
                met=found <= aim,
            )
        )
    return findings


def speed(bench: Bench) -> list[Finding]:
    """One picture at a time with two threads, the model loaded and warm."""
    what, aim, studio = "speed", 2.5, bench.studio
    measure = f"one {bench.side}² picture, strength 0.6, 20 steps, two threads"
    if not studio.has("pocket"):
        return [absent(what, measure, f"≤ {aim} s")]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    (source,) = bench.scenes(3, 1)
    seconds = []
    for seed in range(ROUNDS + 1):
        asked = studio.request(
            "pocket", "a watercolour painting", source, strength=0.6, steps=20, seed=seed
        )
        began = time.monotonic()
        studio.paint("pocket", [asked])
        seconds.append(time.monotonic() - began)
    torch.set_num_threads(before)
    found = float(np.median(seconds[1:]))
    return [
        Finding(
            what=what,
            measure=f"{measure}, median of {ROUNDS}",
            found=f"{found:.2f} s",
            aim=f"≤ {aim} s",
            met=found <= aim,
        )
    ]
