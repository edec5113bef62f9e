"""Errors whose text may be shown to a member.

    UserError             anything a member can cause; its text is one clear sentence
    ├── Refused           policy says no
    │   ├── RateLimited   the cost window is used up; says when there is room again
    │   ├── QueueFull     too many jobs wait already
    │   └── NotPermitted  this member may not do that here
    ├── Gone              the job, picture or message is no longer there
    └── BadPicture        the attachment cannot be used

Everything else is shown as a short reference that the owner finds in the log.
"""

from datetime import datetime


class UserError(Exception):
    """The text is one sentence, safe to show: it names the limit and the nearest legal value."""


class Refused(UserError):
    """Policy refuses the request."""


class RateLimited(Refused):
    """The cost window is used up.

    retry_at: when there is room again (aware, UTC); None when no wait would make room.
    """

    def __init__(self, text: str, *, retry_at: datetime | None) -> None:
        super().__init__(text)
        self.retry_at = retry_at


class QueueFull(Refused):
    """Too many jobs wait already, here or in the whole bot."""


class NotPermitted(Refused):
    """This member may not do that to this job or in this channel."""


class Gone(UserError):
    """What the member points at is no longer there."""


class BadPicture(UserError):
    """The attachment is not a picture that can be used; the text says why."""
