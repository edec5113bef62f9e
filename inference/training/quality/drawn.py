"""What is made of a drawing, and of a picture that names the style."""

from collections.abc import Sequence

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


Marks = Sequence[tuple[str, Sequence[str], float]]
"""What the judge is asked for: its name, the truth about each picture, the share aimed at."""


def pictured(bench: Bench) -> list[Finding]:
    """Drawings of scenes, a fifth each in pencil, ink, with a pen, by a child and in bare lines."""
    studio, count, what = bench.studio, bench.count, "sketch → picture"
    rng = np.random.default_rng((47, 0))
    side = (bench.side, bench.side)
    pairs = [
        drawn_pair(seed, DRAWINGS[i % len(DRAWINGS)], side, rng)
        for i, seed in enumerate(seeds(8, count))
    ]
    drawings, truths = ([pair[i] for pair in pairs] for i in (0, 1))
    marks: Marks = (
        ("subject", [scene(seed).subject for seed in seeds(8, count)], 0.85),
        ("style", ["photo"] * count, 0.9),
    )
    findings = []
    for role, words in WORDS.items():
        measure = f"subject / style “photo”, {role}"
        if not studio.has(role):
            findings.append(absent(what, measure, _aims(marks)))
            continue
        made = _made(studio, role, words, drawings)
        bench.show(f"sketch-{role}", [drawings, made, truths])
        findings.append(_judged(bench, what, f"{measure}, {count} drawings", made, marks))
    return findings


def styled(bench: Bench) -> list[Finding]:
    """Photographs of scenes with the look of other scenes: no word names the style."""
    studio, count, what = bench.studio, bench.count, "style image"
    measure = f"style / subject, when only a picture names the style, {count} pictures"
    names = [name for name in STYLES if name != "photo"]
    styles = even(names, count, np.random.default_rng((47, 1)))
    marks: Marks = (
        ("style", styles, 0.8),
        ("subject", [scene(seed).subject for seed in seeds(9, count)], 0.8),
    )
    if not studio.has("pocket") or studio.info("pocket").image_adapter is None:
        return [absent(what, measure, _aims(marks))]
    contents, side = bench.scenes(9), (bench.side, bench.side)
    looks = [
        picture_of(seed, side, style) for seed, style in zip(seeds(10, count), styles, strict=True)
    ]
    asked = [
        studio.request(
            "pocket", "", content, task="style", strength=0.6, seed=i, second=as_png(look)
        )
        for i, (content, look) in enumerate(zip(contents, looks, strict=True))
    ]
    made = studio.paint("pocket", asked)
    bench.show("styled", [contents, looks, made])
    return [_judged(bench, what, measure, made, marks)]


def _aims(marks: Marks) -> str:
    return " / ".join(f"≥ {percent(aim)}" for _, _, aim in marks)


def _judged(bench: Bench, what: str, measure: str, made: Sequence[Pixels], marks: Marks) -> Finding:
    """One line for all the marks, each of which has to reach its aim."""
    verdicts = bench.look(made)
    if not verdicts:
        return unjudged(what, measure, _aims(marks))
    found = [share([getattr(v, name) for v in verdicts], truths) for name, truths, _ in marks]
    return Finding(
        what=what,
        measure=measure,
        found=" / ".join(percent(one) for one in found),
        aim=_aims(marks),
        met=all(one >= aim for one, (_, _, aim) in zip(found, marks, strict=True)),
    )


def _made(studio: Studio, role: str, words: str, drawings: list[Pixels]) -> list[Pixels]:
    task = {} if role == "edit" else {"task": "sketch"}
    asked = [
        studio.request(role, words, one, strength=STRENGTH[role], seed=i, **task)
        for i, one in enumerate(drawings)
    ]
    return studio.paint(role, asked)
