"""A network that is compiled in the background, by compilers that do as the tests want."""

import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inference.families import compiled
from inference.families.compiled import CompiledForward, forward_of
from inference.families.lora_set import NO_LORAS, LoraSet


class Block(nn.Module):
    """With what a UNet has: weights, a buffer and attention with a processor."""

    processor: object

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(3, 3, 3, padding=1)
        self.register_buffer("shift", torch.ones(3, 1, 1))
        self.processor = object()

    def forward(self, sample: Tensor, scale: Tensor, more: dict[str, Tensor] | None = None) -> Any:
        result = self.inner(sample) * scale + self.shift
        return (result if more is None else result + more["bias"],)


class Compiler:
    """Counts what it compiles and how often that runs; waits, or fails, where it is told to."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.may_go.set()
        self.threads: list[threading.Thread] = []
        self.runs = 0
        self.failures: list[Exception] = []

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        self.may_go.wait()
        self.threads.append(threading.current_thread())
        if self.failures:
            raise self.failures.pop()

        def run(*values: Any) -> Any:
            self.runs += 1
            return graph.forward(*values)

        return run


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> None:
    """The command line, which other tests call in this process, keeps the log to errors."""
    caplog.set_level(logging.INFO, logger=compiled.__name__)


@pytest.fixture
def network() -> Block:
    torch.manual_seed(0)
    return Block().eval().requires_grad_(False)


@pytest.fixture
def compiler() -> Compiler:
    return Compiler()


@torch.inference_mode()
def call(forward: Callable[..., Any], rows: int = 2, **more: Any) -> Tensor:
    sample = torch.arange(rows * 48.0).reshape(rows, 3, 4, 4) + 0
    return forward(sample=sample, scale=torch.full((rows, 1, 1, 1), 2.0), **more)[0]


def passes(forward: CompiledForward, number: int, rows: int = 2) -> None:
    for _ in range(number):
        call(forward, rows)


def test_it_runs_as_it_is_until_the_compiled_pass_is_ready(
    network: Block, compiler: Compiler
) -> None:
    forward = CompiledForward(network, backend=compiler, worth=3)
    expected = call(network)
    compiler.may_go.clear()
    for _ in range(5):
        assert torch.equal(call(forward), expected)
    assert (forward.ready, compiler.runs) == ([], 0)
    compiler.may_go.set()
    forward.settle()
    assert forward.ready == ["2×3×4×4"]
    before = compiler.runs
    assert torch.equal(call(forward), expected)
    assert compiler.runs == before + 1
    assert compiler.threads != [threading.main_thread()]


def test_a_shape_that_is_used_little_is_not_worth_it(network: Block, compiler: Compiler) -> None:
    forward = CompiledForward(network, backend=compiler, worth=3)
    for rows in (1, 2, 3):
        passes(forward, 2, rows)
    forward.settle()
    assert not compiler.threads


def test_more_shapes_than_the_compiler_takes_of_one_function(
    network: Block, compiler: Compiler
) -> None:
    forward = CompiledForward(network, backend=compiler, worth=1, kept=12)
    assert torch._dynamo.config.recompile_limit < 12
    for rows in range(1, 13):
        passes(forward, 1, rows)
    forward.settle()
    assert len(compiler.threads) == 12 == len(forward.ready)
    compiler.runs = 0
    for rows in range(1, 13):
        assert torch.equal(call(forward, rows), call(network, rows))
    assert compiler.runs == 12


def test_one_shape_too_many_is_said_once_and_stays_uncompiled(
    network: Block, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    forward = CompiledForward(network, backend=compiler, worth=1, kept=2)
    for rows in (1, 2, 3, 3, 4):
        passes(forward, 1, rows)
        forward.settle()
    assert forward.ready == ["1×3×4×4", "2×3×4×4"]
    assert [text for text in caplog.messages if "further" in text] == [
        "2 shapes are compiled; further ones stay uncompiled."
    ]
    assert torch.equal(call(forward, 3), call(network, 3))


def test_a_shape_that_nobody_uses_any_more_gives_up_its_place(
    network: Block, compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "IDLE", 4)
    forward = CompiledForward(network, backend=compiler, worth=1, kept=2)
    for rows in (1, 2):
        passes(forward, 1, rows)
    forward.settle()
    passes(forward, 3, 2)
    assert forward.ready == ["1×3×4×4", "2×3×4×4"]
    passes(forward, 1, 3)
    forward.settle()
    assert forward.ready == ["2×3×4×4", "3×3×4×4"]
    passes(forward, 5, 3)
    passes(forward, 1, 1)
    forward.settle()
    assert forward.ready == ["3×3×4×4", "1×3×4×4"]


def test_a_compiler_that_does_not_work_is_not_asked_again(
    network: Block, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    compiler.failures = [RuntimeError("no compiler here")]
    forward = CompiledForward(network, backend=compiler, worth=1)
    for rows in (1, 2, 3):
        assert torch.equal(call(forward, rows), call(network, rows))
        forward.settle()
    assert (len(compiler.threads), forward.ready) == (1, [])
    (said,) = said_in(caplog)
    assert "nothing will be compiled" in said
    assert "no compiler here" in said


def test_a_shape_that_cannot_be_compiled_leaves_the_others_alone(
    network: Block, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    forward = CompiledForward(network, backend=compiler, worth=1)
    passes(forward, 1, 1)
    forward.settle()
    compiler.failures = [RuntimeError("not this one")]
    for _ in range(3):
        assert torch.equal(call(forward, 2), call(network, 2))
        forward.settle()
    passes(forward, 1, 3)
    forward.settle()
    assert forward.ready == ["1×3×4×4", "3×3×4×4"]
    assert said_in(caplog) == ["2×3×4×4 cannot be compiled: not this one"]


def test_a_compiled_pass_that_fails_is_done_again_by_the_network(
    network: Block, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    forward = ready(network, compiler)
    forward._compiled[0].run = fail(RuntimeError("illegal instruction"))
    assert torch.equal(call(forward), call(network))
    assert forward.ready == []
    passes(forward, 3)
    assert said_in(caplog) == ["2×3×4×4 stays uncompiled: illegal instruction"]


def test_a_compiled_pass_that_finds_no_memory_says_so(network: Block, compiler: Compiler) -> None:
    forward = ready(network, compiler)
    forward._compiled[0].run = fail(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        call(forward)
    assert forward.ready == ["2×3×4×4"]


def test_what_the_compiled_pass_was_not_made_for_is_not_compiled_while_a_job_waits(
    network: Block, compiler: Compiler, caplog: pytest.LogCaptureFixture
) -> None:
    forward = ready(network, compiler)
    compiled_so_far = len(compiler.threads)
    # Outside of inference mode tensors are of another kind.
    sample, scale = torch.ones(2, 3, 4, 4), torch.ones(2, 1, 1, 1)
    torch.testing.assert_close(
        forward(sample=sample, scale=scale)[0], network(sample=sample, scale=scale)[0]
    )
    assert len(compiler.threads) == compiled_so_far
    assert said_in(caplog) == ["A compiled pass did not fit its inputs."]


def test_with_another_processor_the_network_itself_runs(network: Block, compiler: Compiler) -> None:
    forward = ready(network, compiler)
    runs, whole = compiler.runs, network.processor
    network.processor = object()
    call(forward)
    assert compiler.runs == runs
    network.processor = whole
    call(forward)
    assert compiler.runs == runs + 1


def test_loras_are_neither_compiled_nor_given_to_the_compiled_pass(
    network: Block, compiler: Compiler
) -> None:
    forward, plain = CompiledForward(network, backend=compiler, worth=1), call(network)
    passes(forward, 1)
    # What is put in force while the compiler works must not get into its result.
    network.inner.register_forward_hook(lambda layer, inputs, output: output + 1)
    forward.settle()
    assert torch.equal(call(forward), plain)
    passes(forward, 1, rows=3)
    forward.settle()
    assert torch.equal(call(forward, rows=3)[:2], plain)
    loras = LoraSet(mix=(("1", 0.5),), text=(), pins=())
    assert not torch.equal(call(forward_of(network, forward, loras)), plain)
    assert forward_of(network, forward, NO_LORAS) is forward
    assert forward_of(network, None, NO_LORAS) is network


def test_weights_are_shared(network: Block, compiler: Compiler) -> None:
    forward = ready(network, compiler)
    network.inner.weight.mul_(3)
    network.shift.add_(1)
    assert torch.equal(call(forward), call(network))


def test_arguments_of_other_shapes_or_kinds_are_other_shapes(
    network: Block, compiler: Compiler
) -> None:
    forward = ready(network, compiler)
    for more in (torch.ones(3, 4, 4), torch.ones(4, 4)):
        bias = {"bias": more}
        assert torch.equal(call(forward, more=bias), call(network, more=bias))
        forward.settle()
    assert len(forward.ready) == 3


def test_an_unloaded_model_is_not_kept_alive(network: Block, compiler: Compiler) -> None:
    forward = ready(network, compiler)
    passes(forward, 3)
    twin = weakref.ref(forward._twin)
    del forward
    torch._dynamo.reset()
    gc.collect()
    assert twin() is None


def ready(network: Block, compiler: Compiler) -> CompiledForward:
    """Compiled for two rows."""
    forward = CompiledForward(network, backend=compiler, worth=1)
    passes(forward, 1)
    forward.settle()
    assert forward.ready == ["2×3×4×4"]
    return forward


def fail(error: Exception) -> Callable[..., Any]:
    def run(**inputs: Any) -> Any:
        raise error

    return run


def said_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Warnings; torch logs much besides."""
    ours = [record for record in caplog.records if record.name == compiled.__name__]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]
