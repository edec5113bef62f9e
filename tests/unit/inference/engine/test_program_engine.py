"""Tasks of several rounds: what the inner engine is asked for, progress, cancelling, errors."""

import gc
import io
import threading
import weakref
from collections.abc import Callable

import pytest
from PIL import Image

from inference.engine.job import Outcome
from inference.engine.programs import WORKERS
from inference.errors import GenerationCancelled, PictureError, RequestError
from inference.model_info import ModelInfo
from inference.request import GenerationRequest
from inference.result import GenerationResult, Progress
from inference.tasks.files import finished, opened
from inference.tasks.programs import Product, Program, Round
from tests.strokes import OUTSIDE, Stage, ask, finish, good, ignore, plain, two_rounds


@pytest.fixture
def stage() -> Stage:
    return Stage()


def no_round(request: GenerationRequest, info: ModelInfo) -> Program:
    yield from ()
    return Product(images=(finished(Image.new("RGB", (5, 6)), request.seed),), notes=("Blank.",))


def test_a_plain_request_passes_through(stage: Stage) -> None:
    engine = stage.engine()
    seen: list[tuple[int, int, bytes | None]] = []
    assert (engine.capacity, engine.has_work, engine.step()) == (1, False, [])
    engine.submit(5, ask(seed=7, guidance=3), lambda p: seen.append((p.step, p.steps, p.preview)))
    stage.clock.now += 3
    engine.step()
    stage.clock.now += 4
    (outcome,) = finish(engine)
    result = good(outcome)
    assert (outcome.job_id, outcome.submitted, outcome.started, outcome.finished) == (
        5, 100, 103, 107,
    )  # fmt: skip
    assert (result.steps_run, result.seconds, result.revision) == (3, 4, "r1")
    assert (result.scheduler, result.notes) == ("Brush", ("It has no guidance.",))
    assert [step[:2] for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[0][2] == b"1"


def test_a_program_gets_each_rounds_results_in_their_order(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    engine = stage.engine()
    engine.submit(1, ask(task="loopback", guidance=3), ignore)
    (outcome,) = finish(engine)
    result = good(outcome)
    assert opened(result.images[0].data).getpixel((0, 0)) == (30, 0, 0)
    assert result.notes == ("It has no guidance.", "Two became one.")
    assert (result.model, result.revision, result.scheduler) == ("strokes", "r1", "Brush")
    assert result.versions == {"torch": "2"}
    assert stage.model.strokes == 9


def test_progress_counts_all_rounds_and_reaches_its_total(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    engine = stage.engine()
    told: list[Progress] = []
    engine.submit(1, ask(task="loopback"), told.append)
    finish(engine)
    assert [(progress.step, progress.steps) for progress in told] == [(i, 9) for i in range(1, 10)]
    # Of one of two pictures there is no preview, of one that is alone there is.
    assert [progress.preview is None for progress in told] == [True] * 6 + [False, False, True]


def test_a_later_job_does_not_wait_for_all_of_a_round(stage: Stage) -> None:
    def tiles(request: GenerationRequest, info: ModelInfo) -> Program:
        results = yield Round(requests=[plain(request, seed=10 * i) for i in range(4)])
        return Product(images=tuple(result.images[0] for result in results))

    stage.programs["loopback"] = tiles
    engine = stage.engine()
    told: list[Progress] = []
    engine.submit(1, ask(task="loopback", prompt="tile"), told.append)
    while not stage.model.strokes:
        engine.step()
    engine.submit(2, ask(prompt="other"), ignore)
    other, tiled = finish(engine)
    assert (other.job_id, tiled.job_id) == (2, 1)
    assert stage.model.asked == ["tile", "other", "tile", "tile", "tile"]
    shades = [opened(image.data).getpixel((0, 0)) for image in good(tiled).images]
    assert shades == [(0, 0, 0), (10, 0, 0), (20, 0, 0), (30, 0, 0)]
    assert [(progress.step, progress.steps) for progress in told] == [
        (step, 12) for step in range(1, 13)
    ]
    assert all(progress.preview is None for progress in told)


def test_cancelling_a_round_asks_for_no_more_of_it(stage: Stage) -> None:
    def tiles(request: GenerationRequest, info: ModelInfo) -> Program:
        results = yield Round(requests=[plain(request)] * 4)
        return Product(images=results[0].images)

    stage.programs["loopback"] = tiles
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), ignore)
    while stage.model.strokes < 4:
        engine.step()
    engine.cancel(1)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, GenerationCancelled)
    assert stage.model.strokes == 4


def test_steps_and_times_of_a_program_are_those_of_each_picture(stage: Stage) -> None:
    def pair(request: GenerationRequest, info: ModelInfo) -> Program:
        results = yield Round(requests=[plain(request), plain(request)])
        results = yield Round(requests=[plain(request), plain(request)])
        return Product(images=tuple(result.images[0] for result in results))

    stage.programs["loopback"] = pair
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), ignore)
    outcomes: list[Outcome] = []
    while engine.has_work:
        stage.clock.now += 1
        outcomes += engine.step()
    assert good(outcomes[0]).steps_run == 6
    assert outcomes[0].started is not None
    assert 100 < outcomes[0].started < outcomes[0].finished == stage.clock.now
    assert good(outcomes[0]).seconds == stage.clock.now - 100


def test_a_program_without_a_round_needs_no_model(stage: Stage) -> None:
    stage.programs["denoise"] = no_round
    engine = stage.engine()
    engine.submit(1, ask(task="denoise", seed=4), ignore)
    (outcome,) = finish(engine)
    result = good(outcome)
    assert (result.images[0].width, result.images[0].height, result.images[0].seed) == (5, 6, 4)
    assert (result.steps_run, result.scheduler, result.revision) == (0, "", "r1")
    assert (result.versions, result.notes) == ({"torch": "2"}, ("Blank.",))
    assert (outcome.started, stage.model.strokes) == (100, 0)


def test_an_empty_round_is_answered_at_once(stage: Stage) -> None:
    def empty(request: GenerationRequest, info: ModelInfo) -> Program:
        results = yield Round(requests=[])
        assert list(results) == []
        (last,) = yield Round(requests=[plain(request)])
        return Product(images=last.images)

    stage.programs["loopback"] = empty
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), ignore)
    for _ in range(100):
        if ended := engine.step():
            break
    assert good(ended[0]).steps_run == 3


def failing(where: str) -> Callable[[GenerationRequest, ModelInfo], Program]:
    def program(request: GenerationRequest, info: ModelInfo) -> Program:
        if where == "before":
            raise RequestError("Not like this.")
        pair = [plain(request, prompt="fail" if where == "in" else ""), plain(request)]
        if where == "asked":
            pair[1] = plain(request, negative_prompt="fog")
        yield Round(requests=pair)
        raise RequestError("Not like this.")

    return program


@pytest.mark.parametrize(
    ("where", "strokes", "error"),
    [
        ("before", 0, "Not like this"),
        ("asked", 3, "no negative prompt"),  # when its turn comes
        ("in", 3, ""),  # its other request does not begin
        ("after", 6, "Not like this"),
    ],
)
def test_an_error_ends_its_own_job_alone(
    stage: Stage, where: str, strokes: int, error: str
) -> None:
    stage.programs["loopback"] = failing(where)
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), ignore)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, ZeroDivisionError if where == "in" else RequestError)
    assert error in str(outcome.result)
    assert stage.model.strokes == strokes
    engine.submit(2, ask(), ignore)
    good(*finish(engine))


def test_an_error_leaves_the_requests_of_others_alone(stage: Stage) -> None:
    stage.programs |= {"loopback": failing("in"), "denoise": two_rounds}
    engine = stage.engine()
    for job_id, task in enumerate(("img2img", "loopback", "denoise")):
        engine.submit(job_id, ask(task=task), ignore)
    engine.submit(3, ask(image=b"no picture"), ignore)
    results = {outcome.job_id: outcome.result for outcome in finish(engine)}
    assert isinstance(results[1], ZeroDivisionError)
    assert isinstance(results[3], PictureError)
    assert isinstance(results[0], GenerationResult)
    assert isinstance(results[2], GenerationResult)


def test_what_cannot_be_asked_for_is_refused_at_once(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    engine = stage.engine()
    with pytest.raises(RequestError, match="heun"):
        engine.submit(1, ask(task="loopback", scheduler="heun"), ignore)
    with pytest.raises(RequestError, match="negative"):
        engine.submit(1, ask(negative_prompt="fog"), ignore)
    assert not engine.has_work


def test_cancelling_while_a_round_runs(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), lambda progress: engine.cancel(1))
    engine.cancel(77)
    (outcome,) = finish(engine)
    assert isinstance(outcome.result, GenerationCancelled)
    assert stage.model.strokes == 1
    assert not engine.inner.has_work


@pytest.mark.parametrize("rounds", [0, 1])
def test_cancelling_while_a_program_thinks(stage: Stage, rounds: int) -> None:
    """It ends at once, though its thread is still at it, which then closes what it left."""
    thinks, go, closed = threading.Event(), threading.Event(), threading.Event()

    def thinker(request: GenerationRequest, info: ModelInfo) -> Program:
        for _ in range(rounds):
            yield Round(requests=[plain(request)])
        thinks.set()
        assert go.wait(10)
        try:
            yield Round(requests=[plain(request)])
        finally:
            closed.set()
        raise AssertionError("it was cancelled")

    stage.programs["loopback"] = thinker
    engine = stage.engine()
    engine.submit(1, ask(task="loopback"), ignore)
    while not thinks.is_set():
        engine.step()
    engine.cancel(1)
    (outcome,) = engine.step()
    assert isinstance(outcome.result, GenerationCancelled)
    assert not engine.has_work
    assert not closed.is_set()
    go.set()
    assert closed.wait(10)
    assert stage.model.strokes == 3 * rounds


def test_cancelling_a_program_that_waits_for_a_thread(stage: Stage) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)

    def thinker(request: GenerationRequest, info: ModelInfo) -> Program:
        begun.release()
        assert go.wait(10)
        yield from ()
        return Product(images=(finished(Image.new("RGB", (1, 1)), 0),))

    stage.programs["denoise"] = thinker
    engine = stage.engine()
    for job_id in range(WORKERS + 1):
        engine.submit(job_id, ask(task="denoise"), ignore)
    for _ in range(WORKERS):
        assert begun.acquire(timeout=10)
    engine.cancel(WORKERS)
    (outcome,) = engine.step()
    assert (outcome.job_id, type(outcome.result)) == (WORKERS, GenerationCancelled)
    go.set()
    assert {outcome.job_id for outcome in finish(engine)} == set(range(WORKERS))
    assert not begun.acquire(blocking=False), "the cancelled one never began"


def test_others_go_on_while_a_program_thinks(stage: Stage) -> None:
    go = threading.Event()

    def thinker(request: GenerationRequest, info: ModelInfo) -> Program:
        assert go.wait(10)
        yield from ()
        return Product(images=(finished(Image.new("RGB", (1, 1)), 0),))

    stage.programs["denoise"] = thinker
    engine = stage.engine()
    engine.submit(1, ask(task="denoise"), ignore)
    engine.submit(2, ask(), ignore)
    ended: list[Outcome] = []
    while not ended:
        ended += engine.step()
    assert [outcome.job_id for outcome in ended] == [2]
    go.set()
    assert [outcome.job_id for outcome in finish(engine)] == [1]


def test_two_programs_at_once_keep_their_results_apart(stage: Stage) -> None:
    def own(request: GenerationRequest, info: ModelInfo) -> Program:
        for turn in range(3):
            (result,) = yield Round(requests=[plain(request, seed=request.seed + turn)])
        return Product(images=result.images)

    stage.programs |= dict.fromkeys(OUTSIDE, own)
    engine = stage.engine()
    for job_id, task in enumerate(OUTSIDE):
        engine.submit(job_id, ask(task=task, seed=50 * job_id), ignore)
    results = {outcome.job_id: good(outcome) for outcome in finish(engine)}
    shades = [
        Image.open(io.BytesIO(results[job_id].images[0].data)).getpixel((0, 0)) for job_id in (0, 1)
    ]
    assert shades == [(2, 0, 0), (52, 0, 0)]


def test_an_id_can_be_used_again(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    engine = stage.engine()
    engine.cancel(0)
    for task in ("loopback", "img2img", "loopback"):
        engine.submit(0, ask(task=task), ignore)
        with pytest.raises(ValueError, match="in flight"):
            engine.submit(0, ask(), ignore)
        good(*finish(engine))


def test_an_engine_that_is_forgotten_is_gone(stage: Stage) -> None:
    stage.programs["loopback"] = two_rounds
    before = set(threading.enumerate())
    engine = stage.engine()
    engine.submit(0, ask(task="loopback"), ignore)
    while not stage.model.strokes:
        engine.step()
    threads = set(threading.enumerate()) - before
    assert any(thread.name.startswith("programs") for thread in threads)
    kept = weakref.ref(engine)
    del engine
    gc.collect()
    assert kept() is None
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)
