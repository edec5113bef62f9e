"""Was every acknowledged job delivered exactly once? Read off the channels, not off the bot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.sandbox.members import Interaction
from bot.sandbox.posts import Post
from tests.killing.joblog import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """acknowledged: jobs that were promised; once, twice, lost: what became of them.

    faults: everything that must not be, in words.
    """

    acknowledged: int
    once: int
    twice: int
    lost: int
    faults: tuple[str, ...] = field(default=())


def judge(
    asked: Sequence[Interaction], rows: Sequence[Row], posts: Sequence[Post], *, dice: int
) -> Verdict:
    """rows, posts: of this trial alone; dice: how many reactions there were."""
    counts: list[int] = []
    faults: list[str] = []
    for one in asked:
        mine = [row for row in rows if row.interaction_id == one.id]
        cards = sum(len(_cards(posts, row.id)) for row in mine)
        if len(mine) > 1:
            faults.append(f"{one}: {len(mine)} jobs")
        if one.post is not None and one.post.ephemeral:
            faults.append(f"{one} was refused: {one.post.text}")
        elif one.acknowledged:
            counts.append(cards)
            if cards != 1:
                faults.append(f"{one}: {cards} cards; {mine}; stands at {one.post}")
        elif cards > 1:
            faults.append(f"{one} was not acknowledged and has {cards} cards")
    faults += _of_dice(rows, posts, dice, counts)
    faults += _of_posts(posts)
    faults += [f"not delivered: {row}" for row in rows if row.delivery == "pending"]
    return Verdict(
        acknowledged=len(counts),
        once=counts.count(1),
        twice=sum(count > 1 for count in counts),
        lost=counts.count(0),
        faults=tuple(faults),
    )


def _of_dice(
    rows: Sequence[Row], posts: Sequence[Post], dice: int, counts: list[int]
) -> Iterator[str]:
    """A die is promised its pictures once its row is there."""
    mine = [row for row in rows if row.kind == "reaction"]
    if len(mine) > dice:
        yield f"{dice} dice made {len(mine)} jobs"
    for row in mine:
        cards = len(_cards(posts, row.id))
        counts.append(cards)
        if cards != 1:
            yield f"{cards} cards for {row}"


def _of_posts(posts: Sequence[Post]) -> Iterator[str]:
    for post in posts:
        if post.loading:
            yield f"still thinking: {post}"
        elif any(button.custom_id.startswith("palimpsest:cancel:") for button in post.buttons):
            yield f"still waiting: {post.text!r} ({post.id})"


def _cards(posts: Sequence[Post], job_id: int) -> list[Post]:
    """The finished cards with pictures of one job."""
    wanted = f"palimpsest:reroll:{job_id}"
    return [
        post
        for post in posts
        if post.gallery and any(button.custom_id == wanted for button in post.buttons)
    ]
