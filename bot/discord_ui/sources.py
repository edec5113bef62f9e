"""What a job is made of: fetched, checked and stored."""

from bot.discord_ui.intake import Intake
from bot.errors import BadPicture
from bot.model import Job

NO_MASK = (
    "/inpaint needs to know where to paint: give it a mask, white where to paint, or a picture "
    "with transparent parts; or press 🖌️ below a result and paint over it."
)


async def stored_pictures(job: Job, intake: Intake) -> tuple[str | None, str | None]:
    """The hashes of a RECEIVED job's source and second picture; None for what it has not.

    Raises UserError. What is stored already is not fetched again, and a second
    time gives the same.
    """
    holes = job.recipe.task == "inpaint"  # transparent parts mean something
    source, second = job.source, job.second
    if source is None and job.source_url is not None:
        source = await intake.take(job.source_url, transparency=holes)
    if second is None and job.second_url is not None:
        if job.source is None:
            second = await intake.take(job.second_url, transparency=holes)
        else:
            second = await intake.take_painted(job.second_url, over=job.source)
    if holes and second is None and source and not await intake.is_see_through(source):
        raise BadPicture(NO_MASK)
    return source, second
