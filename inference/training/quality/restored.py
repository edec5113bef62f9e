"""What is undone: lost colour, noise, lost resolution, a hole. The truth is known exactly."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference.options import Inpaint
from inference.training import spoiling
from inference.training.data import Pixels
from inference.training.quality.bench import Bench, average
from inference.training.quality.findings import Finding, absent
from inference.training.quality.measures import edge_sharpness, hole_psnr, luminance_error, psnr
from inference.training.quality.studio import as_png

SIGMAS = (10, 25, 50)
BLUR = 1.5
"""Standard deviation of the blur that is to be sharpened, pixels."""
RESTORING: dict[str, object] = {"steps": 2, "guidance": 1.0}
"""How the editor is asked where one answer is right: the fewer steps and the less guidance, the
nearer is it to the mean of all answers, which is what PSNR rewards."""
EDITOR = "edit"


def mean_psnr(made: Sequence[Pixels], truths: Sequence[Pixels]) -> float:
    """Mean over the pictures of their PSNR in dB."""
    return average([psnr(a, b) for a, b in zip(made, truths, strict=True)])


def colourised(bench: Bench) -> list[Finding]:
    """Grey pictures given colour by the editor and by the GAN; against the true colours."""
    what, findings = "colourise", []
    for role, words in ((EDITOR, "colourise"), ("color", "")):
        if not bench.studio.has(role):
            findings.append(absent(what, f"PSNR gain over grayscale, {role}", "≥ +4 dB"))
            continue
        for name, truths in (("world", bench.scenes(4)), ("photographs", bench.photos)):
            if not truths:
                continue
            greys = [spoiling.grey(one) for one in truths]
            # What `/colorize` does: the light stays the source's.
            made = _restored(bench, role, words, greys, task="colorize")
            bench.show(f"colour-{role}-{name}", [greys, made, truths])
            gain = mean_psnr(made, truths) - mean_psnr(greys, truths)
            findings.append(
                Finding(
                    what=what,
                    measure=f"PSNR gain over grayscale, {role}, {name}",
                    found=f"{gain:+.1f} dB, to {mean_psnr(made, truths):.1f}",
                    aim="≥ +4 dB" if name == "world" else "",
                    met=gain >= 4 if name == "world" else None,
                )
            )
            off = average([luminance_error(a, b) for a, b in zip(made, greys, strict=True)])
            findings.append(
                Finding(
                    what=what,
                    measure=f"luminance, {role}, {name}, mean error of 255",
                    found=f"{off:.2f}",
                    aim="≤ 2",
                    met=off <= 2,
                )
            )
    return findings


def denoised(bench: Bench) -> list[Finding]:
    """Noisy pictures made clean, against a median filter and non-local means (Buades 2005)."""
    what, findings = "denoise", []
    truths = bench.scenes(5)
    for sigma in SIGMAS:
        rng = np.random.default_rng((43, sigma))
        noisy = [spoiling.noisy(one, sigma, rng) for one in truths]
        before = mean_psnr(noisy, truths)
        median = max(
            mean_psnr([_filtered(one, ImageFilter.MedianFilter(side)) for one in noisy], truths)
            for side in (3, 5)
        )
        means = [_nl_means(one, sigma) for one in noisy]
        nlm = mean_psnr(means, truths)
        measure = f"PSNR, σ {sigma}: noisy {before:.1f}, median {median:.1f}, NLM {nlm:.1f}"
        if not bench.studio.has(EDITOR):
            findings.append(absent(what, measure, "better than both"))
            continue
        made = _restored(bench, EDITOR, "remove the noise", noisy)
        bench.show(f"denoise-{sigma}", [noisy, means, made, truths])
        found = mean_psnr(made, truths)
        findings.append(
            Finding(
                what=what,
                measure=measure,
                found=f"{found:.1f} dB",
                aim="better than both",
                met=found > max(median, nlm),
            )
        )
    return findings


def enlarged(bench: Bench) -> list[Finding]:
    """Twice the resolution, against bicubic interpolation."""
    truths = bench.scenes(6)
    bicubic = [spoiling.halved(one) for one in truths]
    return _refined(bench, "super-resolution 2×", "upscale", truths, ("bicubic", bicubic))


def sharpened(bench: Bench) -> list[Finding]:
    """Blurred pictures made sharp, against leaving them as they are."""
    truths = bench.scenes(11)
    soft = [spoiling.blurred(one, BLUR) for one in truths]
    return _refined(bench, "sharpen", "sharpen", truths, ("the blurred picture", soft))


def _refined(
    bench: Bench,
    what: str,
    words: str,
    truths: Sequence[Pixels],
    given: tuple[str, Sequence[Pixels]],
) -> list[Finding]:
    """Soft pictures refined by the editor, against what they were, with its name."""
    before, sources = given
    made = _restored(bench, EDITOR, words, sources) if bench.studio.has(EDITOR) else None
    if made is not None:
        bench.show(words, [sources, made, truths])
    measures: tuple[tuple[str, str, Callable[[Pixels, Pixels], float]], ...] = (
        ("PSNR", " dB", psnr),
        ("edge sharpness, the truth is 1", "", edge_sharpness),
    )
    findings, aim = [], f"better than {before}"
    for name, unit, measure in measures:
        plain = average([measure(a, b) for a, b in zip(sources, truths, strict=True)])
        said = f"{name}; {before} {plain:.2f}{unit}"
        if made is None:
            findings.append(absent(what, said, aim))
            continue
        found = average([measure(a, b) for a, b in zip(made, truths, strict=True)])
        findings.append(
            Finding(what=what, measure=said, found=f"{found:.2f}{unit}", aim=aim, met=found > plain)
        )
    return findings


def filled(bench: Bench) -> list[Finding]:
    """Holes painted in, against the mean colour of what is around them: by the editor, that is told
    to fill the grey it sees, and by pocket, that is asked for a photograph there.
    """
    what, aims = "inpaint", ("better than mean fill", "0: identical")
    rng = np.random.default_rng((43, 1))
    truths = bench.scenes(7)
    holes = [np.asarray(spoiling.hole((bench.side, bench.side), rng)) > 0 for _ in truths]
    sources = [
        _with(one, hole, np.full(3, float(spoiling.HOLE)))
        for one, hole in zip(truths, holes, strict=True)
    ]
    plain = [
        _with(one, hole, one[~hole].mean(axis=0)) for one, hole in zip(truths, holes, strict=True)
    ]
    findings = []
    for role in (EDITOR, "pocket"):
        if not bench.studio.has(role):
            findings += [
                absent(what, f"{name}, {role}", aim)
                for name, aim in zip(("inside", "outside"), aims, strict=True)
            ]
            continue
        made = _masked(bench, role, sources, holes)
        bench.show(f"inpaint-{role}", [sources, made, truths])
        inside, mean = (_inside(pile, truths, holes) for pile in (made, plain))
        outside = _outside(made, truths, holes)
        findings += [
            Finding(
                what=what,
                measure=f"PSNR inside the hole, {role}; mean fill {mean:.1f} dB",
                found=f"{inside:.1f} dB",
                aim=aims[0],
                met=inside > mean,
            ),
            Finding(
                what=what,
                measure=f"largest difference outside, {role}, of 255",
                found=str(outside),
                aim=aims[1],
                met=outside == 0,
            ),
        ]
    return findings


Holes = Sequence[NDArray[np.bool_]]


def _inside(made: Sequence[Pixels], truths: Sequence[Pixels], holes: Holes) -> float:
    """Mean PSNR of what is in the holes, in dB."""
    return average([hole_psnr(a, b, h) for a, b, h in zip(made, truths, holes, strict=True)])


def _outside(made: Sequence[Pixels], truths: Sequence[Pixels], holes: Holes) -> int:
    """The largest difference of a pixel beside the holes, of 255."""
    apart = (
        np.abs(a.astype(int) - b)[~h].max() for a, b, h in zip(made, truths, holes, strict=True)
    )
    return int(max(apart))


def _masked(bench: Bench, role: str, sources: Sequence[Pixels], holes: Holes) -> list[Pixels]:
    told = role == EDITOR
    values: dict[str, object] = {"strength": 0.9} | (RESTORING if told else {})
    asked = [
        bench.studio.request(
            role,
            "fill the hole" if told else "a photo",
            source,
            task="inpaint",
            options=Inpaint(content="original" if told else "fill", blur=0),
            **values,
            second=as_png(np.where(hole[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)),
            seed=i,
        )
        for i, (source, hole) in enumerate(zip(sources, holes, strict=True))
    ]
    return bench.studio.paint(role, asked)


def _restored(
    bench: Bench, role: str, words: str, sources: Sequence[Pixels], **values: object
) -> list[Pixels]:
    studio = bench.studio
    asked = [
        studio.request(role, words, one, seed=i, **RESTORING, **values)
        for i, one in enumerate(sources)
    ]
    return studio.paint(role, asked)


def _with(picture: Pixels, hole: NDArray[np.bool_], colour: NDArray[np.floating[Any]]) -> Pixels:
    out = picture.copy()
    out[hole] = np.rint(colour).astype(np.uint8)
    return out


def _filtered(picture: Pixels, how: ImageFilter.Filter) -> Pixels:
    return np.asarray(Image.fromarray(picture).filter(how))


def _nl_means(picture: Pixels, sigma: float) -> Pixels:
    """With the strength that its authors and scikit-image's manual advise for a known sigma."""
    from skimage.restoration import denoise_nl_means

    clean = denoise_nl_means(
        picture.astype(np.float32) / 255,
        patch_size=5,
        patch_distance=6,
        h=0.8 * sigma / 255,
        sigma=sigma / 255,
        fast_mode=True,
        channel_axis=-1,
    )
    return (np.clip(clean, 0, 1) * 255 + 0.5).astype(np.uint8)
