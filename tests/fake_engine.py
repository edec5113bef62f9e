"""An engine without a model: what it does is said by the prompt. For `--engine`."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from inference.catalog import ModelInfo
from inference.errors import GenerationCancelled, ModelError, RequestError
from inference.request import GenerationRequest
from inference.result import GeneratedImage, GenerationResult, Progress

STEP_SECONDS = 0.01


@dataclass(kw_only=True)
class FakeOutcome:
    job_id: int
    result: GenerationResult | Exception


@dataclass(kw_only=True)
class _Slot:
    request: GenerationRequest
    on_progress: Callable[[Progress], None]
    step: int = 0


class FakeEngine:
    capacity = 4

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.slots: dict[int, _Slot] = {}
        self.cancelled: list[int] = []

    @property
    def has_work(self) -> bool:
        return bool(self.slots)

    def submit(
        self, job_id: int, request: GenerationRequest, on_progress: Callable[[Progress], None]
    ) -> None:
        if request.prompt == "refuse":
            raise RequestError("Not this one.")
        if request.prompt == "fault on entry":
            raise KeyError("entry")
        self.slots[job_id] = _Slot(request=request, on_progress=on_progress)

    def cancel(self, job_id: int) -> None:
        if job_id in self.slots:
            self.cancelled.append(job_id)

    def step(self) -> list[FakeOutcome]:
        time.sleep(STEP_SECONDS)
        outcomes = []
        for job_id in self.cancelled:
            del self.slots[job_id]
            outcomes.append(FakeOutcome(job_id=job_id, result=GenerationCancelled("Stopped.")))
        self.cancelled.clear()
        for job_id, slot in list(self.slots.items()):
            slot.step += 1
            slot.on_progress(Progress(step=slot.step, steps=slot.request.steps))
            result = self._result(slot)
            if result is not None:
                del self.slots[job_id]
                outcomes.append(FakeOutcome(job_id=job_id, result=result))
        return outcomes

    def _result(self, slot: _Slot) -> GenerationResult | Exception | None:
        match slot.request.prompt:
            case "crash":
                os._exit(3)
            case "hang":
                time.sleep(1000)
            case "memory":
                return MemoryError("this one")
            case "all memory":
                raise MemoryError("everything")
            case "fault":
                return ZeroDivisionError("in the middle")
            case "all fault":
                raise ZeroDivisionError("for everybody")
            case "all fault beside threads":
                ThreadPoolExecutor().submit(time.sleep, 1000)
                raise ZeroDivisionError("for everybody")
            case "print":
                print("printed by a library", flush=True)
        if slot.step < slot.request.steps:
            return None
        size = len(slot.request.image or b"")
        image = GeneratedImage(data=bytes(size), width=8, height=8, seed=slot.request.seed)
        return GenerationResult(
            images=(image,),
            model=self.info.id,
            revision=str(os.getpid()),
            scheduler="none",
            steps_run=slot.step,
            seconds=0.0,
        )


def load(info: ModelInfo, device: str) -> FakeEngine:
    location = Path(info.location)
    if (location / "broken").exists():
        raise ModelError(f"{location / 'broken'} is in the way.")
    if (location / "deadly").exists():
        os._exit(4)
    return FakeEngine(info)
