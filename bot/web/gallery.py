"""The gallery: the newest pictures with what made them, as one page without scripts."""

from collections.abc import Iterator, Sequence
from html import escape

from bot.model import Job

PAGE = 24

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Palimpsest</title>
<meta name="viewport" content="width=device-width">
<style>
body { margin: 2rem; background: #1e1f22; color: #dbdee1; font: 15px/1.5 system-ui, sans-serif }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1.5rem }
figure { margin: 0; background: #2b2d31; border-radius: 8px; overflow: hidden }
.pictures { display: flex; flex-wrap: wrap }
.pictures a { flex: 1 1 45% } img { width: 100%; display: block }
figcaption { padding: .75rem 1rem } small { color: #949ba4 } a { color: #00a8fc }
</style></head><body><h1>Palimpsest</h1>
"""


def page(jobs: Sequence[Job], *, more: bool) -> str:
    """HTML of the jobs, newest first. more: whether older ones follow."""
    shown = "".join(_figure(job) for job in jobs) or "<p>No pictures yet.</p>"
    older = f'<p><a href="?before={jobs[-1].id}">Older</a></p>' if more and jobs else ""
    return f"{_HEAD}<main>{shown}</main>{older}</body></html>"


def _figure(job: Job) -> str:
    prompt = escape(job.recipe.prompt)
    pictures = "".join(
        f'<a href="/pictures/{sha}"><img src="/pictures/{sha}" alt="{prompt}" loading="lazy"></a>'
        for sha in job.results
    )
    return (
        f'<figure><div class="pictures">{pictures}</div>'
        f"<figcaption>{prompt}<br><small>{escape(' · '.join(_used(job)))}</small>"
        "</figcaption></figure>"
    )


def _used(job: Job) -> Iterator[str]:
    """What it was made with, as far as it means something to the task."""
    recipe = job.recipe
    yield f"#{job.id}"
    if recipe.strengths:
        yield f"strengths {recipe.strengths[0]:g} to {recipe.strengths[-1]:g}"
    elif recipe.has_strength and not job.imagined:
        yield f"strength {recipe.strength:g}"
    if recipe.paints:
        yield f"seed {recipe.seed}"
        yield recipe.model
    else:
        yield recipe.task
