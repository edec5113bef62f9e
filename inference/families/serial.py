"""What the engine asks of a model that makes one picture from beginning to end."""

from collections.abc import Callable
from typing import Protocol

from PIL import Image

from inference.request import GenerationRequest


class Step(Protocol):
    """To be called after every step of a picture."""

    def __call__(
        self, done: int, total: int, preview: Callable[[], bytes] | None = None, /
    ) -> None:
        """Waits until the engine wants the next step.

        done, total: steps of this picture, 0 ≤ done ≤ total. preview: makes a small JPEG of the
        picture so far; it is called at once or never.

        Raises GenerationCancelled when the job was cancelled; let it pass.
        """


class SerialModel(Protocol):
    """A model with no step that could be shared: it runs one request after the other."""

    @property
    def own_scheduler(self) -> str:
        """The class of the scheduler it comes with, "" where it has none."""

    def prepare(self, request: GenerationRequest) -> None:
        """Raises RequestError for whatever the request asks that this model cannot do."""

    def notes(self, request: GenerationRequest) -> tuple[str, ...]:
        """What has no meaning for this model though `prepare` let it pass, a sentence each."""

    def run(
        self,
        request: GenerationRequest,
        index: int,
        source: Image.Image | None,
        size: tuple[int, int],
        step: Step,
    ) -> Image.Image:
        """Picture `index` of a request whose strength is above 0.

        source: RGB, of the work size; None for text-to-image. size: the work size, width and
        height in pixels, multiples of the model's. The result is RGB; where its size is another
        one, the engine scales it. `step` is to be called between steps, in the calling thread.
        """
