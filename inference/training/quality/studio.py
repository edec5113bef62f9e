"""Where the measured pictures are made: by the public path, as a user's are."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from inference.catalog import Catalog
from inference.engine.factory import load_engine
from inference.errors import InferenceError
from inference.executors.models import Engine
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.training.data import Pixels


def as_png(picture: Pixels) -> bytes:
    """uint8 [h, w, 3] as the file that a request carries."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


class Studio:
    """Engines by role, loaded when they are first needed; a role may have no model."""

    def __init__(self, models: Mapping[str, str], device: str = "auto", side: int = 256) -> None:
        """models: role → catalogue entry or folder. side: of pictures from words, pixels."""
        self._side = side
        self._device = device
        self._engines: dict[str, Engine] = {}
        self._infos: dict[str, ModelInfo] = {}
        for role, name in models.items():
            info = _find(name)
            if info is not None:
                self._infos[role] = info

    def has(self, role: str) -> bool:
        """Whether there is a model for it."""
        return role in self._infos

    def info(self, role: str) -> ModelInfo:
        """What is known of the role's model."""
        return self._infos[role]

    def folder(self, role: str) -> Path:
        """Where its files lie."""
        folder = self._infos[role].folder
        assert folder is not None  # `_find` looked
        return folder

    def request(
        self, role: str, prompt: str, source: Pixels | None = None, **values: object
    ) -> GenerationRequest:
        """A request for a picture of the source's size, with the model's own steps and guidance,
        unless `values` say otherwise.
        """
        info = self._infos[role]
        given: dict[str, object] = {
            "steps": info.default_steps,
            "guidance": info.default_guidance,
            "strength": 1.0,
            "model": info.id,
            "task": "edit" if info.follows_instructions else "img2img",
        }
        square = (self._side, self._side)
        given["height"], given["width"] = square if source is None else source.shape[:2]
        image = None if source is None else as_png(source)
        return GenerationRequest(prompt=prompt, image=image, **given | values)  # type: ignore[arg-type]

    def paint(self, role: str, requests: Sequence[GenerationRequest]) -> list[Pixels]:
        """The pictures of many requests, in order. Raises what struck the first one that failed."""
        if role not in self._engines:
            self._engines[role] = load_engine(self._infos[role], self._device)
        engine = self._engines[role]
        done: dict[int, Pixels] = {}
        waiting = list(enumerate(requests))
        while waiting or engine.has_work:
            while waiting and len(requests) - len(waiting) - len(done) < engine.capacity:
                number, request = waiting.pop(0)
                engine.submit(number, request, lambda progress: None)
            for outcome in engine.step():
                if isinstance(outcome.result, Exception):
                    raise outcome.result
                (image,) = outcome.result.images
                done[outcome.job_id] = _pixels(image.data)
        return [done[number] for number in range(len(requests))]


def _pixels(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _find(name: str) -> ModelInfo | None:
    """None where there is no such model on this machine."""
    try:
        info = Catalog(default=name).find(name)
    except InferenceError:
        return None
    folder = info.folder
    if folder is None or not (folder / "model_index.json").is_file():
        return None
    return info
