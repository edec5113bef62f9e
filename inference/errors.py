"""What can go wrong in inference, ranked by who must act.

InferenceError
├── RequestError        the request itself is at fault; its text is safe to show
│   └── PictureError    a picture in it cannot be read or is beyond a limit
├── GenerationCancelled the caller asked for it
├── ExecutorLost        the process or the device failed; run the job again
│   └── OutOfMemory     likewise, because the device's memory ran out
├── ModelError          the model cannot be loaded; the owner must act
└── EngineFault         a defect in the engine struck this one job; the log must hold it
"""


class InferenceError(Exception):
    """Base of every error that inference raises on purpose."""


class RequestError(InferenceError):
    """The request is at fault.

    The text is one sentence for the person who made the request: it names the
    limit and the nearest legal value.
    """


class PictureError(RequestError):
    """A picture cannot be read, or is beyond a limit that the text names."""


class GenerationCancelled(InferenceError):
    """The job was cancelled between two steps."""


class ExecutorLost(InferenceError):
    """The executor died under the job; nothing about the job is known to be wrong."""


class OutOfMemory(ExecutorLost):
    """The device's memory ran out under the job."""


class ModelError(InferenceError):
    """The model cannot be loaded; the text names the file or part at fault."""


class EngineFault(InferenceError):
    """An unexpected exception under one job; its notes (`__notes__`) hold the traceback."""
