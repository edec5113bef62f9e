"""What words do: prompt adherence, another style at 0.6, and what strength means."""

from collections.abc import Sequence

import numpy as np

from inference.training.captions import STYLE_WORDS, SUBJECT_WORDS, TIME_WORDS
from inference.training.classifier import Verdict
from inference.training.examinations import COLOURED, labels_of
from inference.training.quality.bench import Bench, average, seeds
from inference.training.quality.findings import Finding, absent, percent, unjudged
from inference.training.quality.measures import distance, ridge_displacement, rising, share
from inference.training.styles import STYLES
from inference.training.subjects import SUBJECTS
from inference.training.world import TIMES, scene

STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
STRENGTH_STYLES = ("watercolour", "ink", "neon")
MOST_STRENGTH_SOURCES = 12
ADHERENCE = {"style": 0.95, "time": 0.9, "subject": 0.8}


def prompt_for(style: str, subject: str = "", time: str = "") -> str:
    """The plainest words for it, as in “an oil painting of a castle at night”."""
    words = _article(STYLE_WORDS[style][0])
    if subject:
        words += f" of {_article(SUBJECT_WORDS.get(subject, (subject,))[0])}"
    return f"{words} {TIME_WORDS[time][0]}" if time else words


def _article(noun: str) -> str:
    return ("an " if noun[:1] in "aeiou" else "a ") + noun


def even(names: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """`count` names, each as often as any other (but for the remainder), in random order."""
    places = np.arange(count) % len(names)
    return [names[int(i)] for i in rng.permutation(places)]


def adherence(bench: Bench) -> list[Finding]:
    """Pictures from words alone; every style, time and subject comes as often as any other."""
    what, studio, count = "prompt adherence, words alone", bench.studio, bench.count
    if not studio.has("pocket"):
        return [absent(what, name, f"≥ {percent(aim)}") for name, aim in ADHERENCE.items()]
    rng = np.random.default_rng((41, 0))
    asked = {
        "style": even(tuple(STYLES), count, rng),
        "time": even(TIMES, count, rng),
        "subject": even(tuple(SUBJECTS), count, rng),
    }
    wishes = [
        prompt_for(style, subject, time)
        for style, time, subject in zip(*asked.values(), strict=True)
    ]
    made = studio.paint(
        "pocket", [studio.request("pocket", words, seed=i) for i, words in enumerate(wishes)]
    )
    bench.show("adherence", [made], 6)
    (bench.out / "adherence.txt").write_text("\n".join(wishes) + "\n", "utf-8")
    verdicts = bench.look(made)
    if not verdicts:
        return [unjudged(what, "style, time, subject", "")]
    findings = []
    for name, aim in ADHERENCE.items():
        seen = [i for i in range(count) if name != "time" or asked["style"][i] in COLOURED]
        right = share([getattr(verdicts[i], name) for i in seen], [asked[name][i] for i in seen])
        findings.append(
            Finding(
                what=what,
                measure=f"{name}, {len(seen)} pictures",
                found=percent(right),
                aim=f"≥ {percent(aim)}",
                met=right >= aim,
            )
        )
    return findings


def restyled(bench: Bench) -> list[Finding]:
    """Photographs of scenes into another style; the prompt names the style only."""
    what, studio, count = "img2img at 0.6 to another style", bench.studio, bench.count
    if not studio.has("pocket"):
        return [absent(what, "style, subject, ridge line", "≥ 90 %, ≥ 85 %, ≤ 4 %")]
    styles = even([n for n in STYLES if n != "photo"], count, np.random.default_rng((41, 1)))
    sources = bench.scenes(1)
    made = studio.paint(
        "pocket",
        [
            studio.request("pocket", prompt_for(style), source, strength=0.6, seed=i)
            for i, (style, source) in enumerate(zip(styles, sources, strict=True))
        ],
    )
    bench.show("restyled", [sources, made], 4)
    verdicts = bench.look(made)
    if not verdicts:
        return [unjudged(what, "style, subject, ridge line", "≥ 90 %, ≥ 85 %, ≤ 4 %")]
    numbers = seeds(1, count)
    style = share([v.style for v in verdicts], styles)
    subject = share([v.subject for v in verdicts], [scene(seed).subject for seed in numbers])
    ridge, floor = (_ridge(found, numbers) for found in (verdicts, bench.look(sources)))
    return [
        Finding(
            what=what,
            measure=f"style, {count} pictures",
            found=percent(style),
            aim="≥ 90 %",
            met=style >= 0.9,
        ),
        Finding(
            what=what,
            measure="the source's subject is found",
            found=percent(subject),
            aim="≥ 85 %",
            met=subject >= 0.85,
        ),
        Finding(
            what=what,
            measure=f"ridge line's mean displacement; by the sources themselves {percent(floor)}",
            found=percent(ridge),
            aim="≤ 4 % of height",
            met=ridge <= 0.04,
        ),
    ]


def _ridge(verdicts: Sequence[Verdict], numbers: Sequence[int]) -> float:
    found = [
        ridge_displacement(verdict.sky, labels_of(seed))
        for verdict, seed in zip(verdicts, numbers, strict=True)
    ]
    return average([one for one in found if one is not None])


def strength(bench: Bench) -> list[Finding]:
    """How far pictures are from their source at each of `STRENGTHS`."""
    what, studio = "strength", bench.studio
    measure = f"mean distance to the source of 255, at {', '.join(f'{s:g}' for s in STRENGTHS)}"
    aim = "strictly rising, 0 at 0"
    if not studio.has("pocket"):
        return [absent(what, measure, aim)]
    sources = [*bench.photos, *bench.scenes(2, min(bench.count, MOST_STRENGTH_SOURCES))]
    asked = [
        studio.request(
            "pocket",
            prompt_for(STRENGTH_STYLES[i % len(STRENGTH_STYLES)]),
            source,
            strength=s,
            seed=1,
        )
        for i, source in enumerate(sources)
        for s in STRENGTHS
    ]
    made = studio.paint("pocket", asked)
    columns = [made[i :: len(STRENGTHS)] for i in range(len(STRENGTHS))]
    bench.show("strength", columns, 1)
    away = [
        average([distance(a, b) for a, b in zip(column, sources, strict=True)])
        for column in columns
    ]
    return [
        Finding(
            what=what,
            measure=measure,
            found=", ".join(f"{value:.1f}" for value in away),
            aim=aim,
            met=rising(away) and away[0] == 0,
        )
    ]
