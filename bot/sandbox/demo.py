"""The main job without a person: scripted members, every picture and a transcript kept."""

import shutil
import time
from pathlib import Path

from bot.sandbox.members import Interaction, Member
from bot.sandbox.posts import Post
from bot.sandbox.server import Sandbox

PROMPT, STRENGTH = "a watercolour painting of a cup of coffee", 0.5
START_SECONDS, PICTURE_SECONDS = 60.0, 90.0


class Transcript:
    """What happened, line by line, on the screen and in ``transcript.txt``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._began = time.monotonic()
        self._file = (folder / "transcript.txt").open("w", encoding="utf-8")

    def say(self, who: str, text: str) -> None:
        """One line, or several under one time."""
        first, *rest = text.splitlines() or [""]
        lines = [f"{time.monotonic() - self._began:6.1f} s  {who:<11} {first}"]
        lines += [f"{'':22}{line}" for line in rest]
        print("\n".join(lines), flush=True)
        self._file.write("\n".join(lines) + "\n")
        self._file.flush()

    def keep(self, post: Post, name: str) -> None:
        """Saves the pictures in the post's gallery as ``<name>-<n>.<extension>``."""
        shown = {item["media"]["url"].partition("?")[0].rpartition("/")[2] for item in post.gallery}
        pictures = [one for one in post.attachments if one.filename in shown]
        for number, picture in enumerate(pictures, start=1):
            path = self._folder / f"{name}-{number}{Path(picture.filename).suffix}"
            path.write_bytes(picture.data)
            self.say("", f"→ {path} ({picture.size / 1024:.0f} KiB)")

    def keep_source(self, photograph: Path) -> None:
        """Copies the photograph beside the pictures that come of it."""
        shutil.copyfile(photograph, self._folder / f"source{photograph.suffix}")

    def close(self) -> None:
        """Ends the file."""
        self._file.close()


async def play(sandbox: Sandbox, out: Path, *, photograph: Path) -> int:
    """Ada posts a photograph with a prompt and presses 🎲, Jun reacts with 🎲.

    Returns 0 when all three got their pictures, 1 when one did not. Raises TimeoutError where the
    bot does not answer at all.
    """
    transcript = Transcript(out)
    try:
        await sandbox.wait_ready(START_SECONDS)
        transcript.say("", "The bot is connected and its commands are registered.")
        ada, jun = sandbox.member("ada"), sandbox.member("jun")
        transcript.keep_source(photograph)

        transcript.say(
            ada.name, f"/reimagine image:{photograph.name} prompt:{PROMPT} strength:{STRENGTH}"
        )
        asked = await ada.slash(
            "studio", "reimagine", image=photograph, prompt=PROMPT, strength=STRENGTH
        )
        card = await _follow(asked, transcript)
        transcript.keep(card, "1-reimagine")

        transcript.say(ada.name, "presses 🎲")
        again = await _follow(await ada.press(card, emoji="🎲"), transcript)
        transcript.keep(again, "2-reroll")

        reaction = await _react(sandbox, jun, card, again, transcript)
        transcript.keep(reaction, "3-reaction")
    finally:
        transcript.close()
    return 0 if card.gallery and again.gallery and reaction.gallery else 1


async def _react(
    sandbox: Sandbox, member: Member, card: Post, last: Post, transcript: Transcript
) -> Post:
    transcript.say(member.name, "reacts to the first picture with 🎲")
    await member.react(card, "🎲")
    reaction = await sandbox.wait_for(
        _is_finished, PICTURE_SECONDS, channel="studio", after=last, what="the reaction's pictures"
    )
    transcript.say("Palimpsest", reaction.text)
    return reaction


async def _follow(asked: Interaction, transcript: Transcript) -> Post:
    """Writes down what the answer says, each time that it changes, until the pictures are there."""
    await asked.ack()
    post = await asked.response(PICTURE_SECONDS)
    transcript.say("Palimpsest", post.text)
    while not _is_finished(post):
        before = post.text

        def changed(now: Post, before: str = before) -> bool:
            return now.text != before

        post = await asked.wait_for(changed, PICTURE_SECONDS)
        transcript.say("Palimpsest", post.text)
    return post


def _is_finished(post: Post) -> bool:
    """Whether the card says how the job ended: only then it offers to go on."""
    return any(button.emoji == "🎲" for button in post.buttons)
