"""What is made of a drawing, and of a picture that names the style."""

import numpy as np

from inference.training.data import Pixels
from inference.training.quality.bench import Bench, seeds
from inference.training.quality.findings import Finding, absent, percent, unjudged
from inference.training.quality.measures import share
from inference.training.quality.prompted import even
from inference.training.quality.studio import Studio, as_png
from inference.training.scenes import picture_of
from inference.training.sketch_pairs import DRAWINGS, drawn_pair
from inference.training.styles import STYLES
from inference.training.world import scene

WORDS = {"edit": "turn the sketch into a photo", "sketch": "", "pocket": "a photo"}
STRENGTH = {"edit": 1.0, "sketch": 1.0, "pocket": 0.6}


def pictured(bench: Bench) -> list[Finding]:
    """Drawings of scenes, a fifth each in pencil, ink, with a pen, by a child and in bare lines."""
    studio, count = bench.studio, bench.count
    what, aims = "sketch → picture", "≥ 85 % / ≥ 90 %"
    rng = np.random.default_rng((47, 0))
    side = (bench.side, bench.side)
    pairs = [
        drawn_pair(seed, DRAWINGS[i % len(DRAWINGS)], side, rng)
        for i, seed in enumerate(seeds(8, count))
    ]
    drawings, truths = ([pair[i] for pair in pairs] for i in (0, 1))
    findings = []
    for role, words in WORDS.items():
        measure = f"subject / style “photo”, {role}"
        if not studio.has(role):
            findings.append(absent(what, measure, aims))
            continue
        made = _made(studio, role, words, drawings)
        bench.show(f"sketch-{role}", [drawings, made, truths])
        verdicts = bench.look(made)
        if not verdicts:
            findings.append(unjudged(what, measure, aims))
            continue
        subject = share(
            [v.subject for v in verdicts], [scene(seed).subject for seed in seeds(8, count)]
        )
        style = share([v.style for v in verdicts], ["photo"] * count)
        findings.append(
            Finding(
                what=what,
                measure=f"{measure}, {count} drawings",
                found=f"{percent(subject)} / {percent(style)}",
                aim=aims,
                met=subject >= 0.85 and style >= 0.9,
            )
        )
    return findings


def styled(bench: Bench) -> list[Finding]:
    """Photographs of scenes with the look of other scenes: no word names the style."""
    what, aims, studio = "style image", "≥ 80 % / ≥ 80 %", bench.studio
    measure = "style / subject, when only a picture names the style"
    if not studio.has("pocket") or studio.info("pocket").image_adapter is None:
        return [absent(what, measure, aims)]
    names = [name for name in STYLES if name != "photo"]
    styles = even(names, bench.count, np.random.default_rng((47, 1)))
    contents, side = bench.scenes(9), (bench.side, bench.side)
    looks = [
        picture_of(seed, side, style)
        for seed, style in zip(seeds(10, bench.count), styles, strict=True)
    ]
    asked = [
        studio.request(
            "pocket", "", content, task="style", strength=0.6, seed=i, second=as_png(look)
        )
        for i, (content, look) in enumerate(zip(contents, looks, strict=True))
    ]
    made = studio.paint("pocket", asked)
    bench.show("styled", [contents, looks, made])
    verdicts = bench.look(made)
    if not verdicts:
        return [unjudged(what, measure, aims)]
    style = share([v.style for v in verdicts], styles)
    truths = [scene(seed).subject for seed in seeds(9, bench.count)]
    subject = share([v.subject for v in verdicts], truths)
    return [
        Finding(
            what=what,
            measure=f"{measure}, {bench.count} pictures",
            found=f"{percent(style)} / {percent(subject)}",
            aim=aims,
            met=style >= 0.8 and subject >= 0.8,
        )
    ]


def _made(studio: Studio, role: str, words: str, drawings: list[Pixels]) -> list[Pixels]:
    task = {} if role == "edit" else {"task": "sketch"}
    asked = [
        studio.request(role, words, one, strength=STRENGTH[role], seed=i, **task)
        for i, one in enumerate(drawings)
    ]
    return studio.paint(role, asked)
