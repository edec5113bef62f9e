"""`python -m tests.benchmarks.gpu` at tiny size, and the sizes that it claims to measure."""

import functools
from pathlib import Path

import pytest
import torch

from tests.benchmarks.engine.bench import A, C, D, E
from tests.benchmarks.gpu.__main__ import main
from tests.benchmarks.gpu.folders import parts
from tests.benchmarks.gpu.kinds import KINDS, tiny
from tests.benchmarks.gpu.work import count, matrix_rate

# Tables with a row for (a): images a second, one job alone, and four traces.
TABLES = 6


_count = functools.cache(lambda key: count(KINDS[key]))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("key", KINDS)
def test_it_runs_on_any_machine_at_tiny_size(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tables.md"
    assert main(["--tiny", "--kinds", key, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert out.read_text() in text
    for name in (A, C, D, E):
        lines = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        assert len(lines) == TABLES - (name == C), name
    head = next(line for line in text.splitlines() if "images/s" in line and line[0] == "|")
    assert head.endswith("| TFLOP/s | of the matrix product |")
    assert "images/s of (d): × (b)" in text
    assert "TFLOP/s in a bf16 matrix product" in text


@pytest.mark.parametrize(
    ("key", "parameters", "row", "decode"),
    [("sd15", 860e6, 0.803, 2.515), ("sdxl", 2567e6, 6.76, 10.47), ("turbo", 866e6, 0.804, 0.141)],
)
def test_the_real_sizes_are_those_of_the_published_models(
    key: str, parameters: float, row: float, decode: float
) -> None:
    work = _count(key)
    assert work.row == pytest.approx(row, rel=0.001)
    assert work.decode == pytest.approx(decode, rel=0.003)
    with torch.device("meta"):
        unet = next(module for name, module in parts(KINDS[key]) if name == "unet")
    assert sum(p.numel() for p in unet.parameters()) == pytest.approx(parameters, rel=0.001)


def test_a_picture_s_work_is_its_rows_and_both_ways_through_the_autoencoder() -> None:
    work, mix = _count("sd15"), KINDS["sd15"].mix
    assert work.picture(mix) == pytest.approx(work.encode + 12 * 2 * work.row + work.decode)
    turbo = _count("turbo")
    each = turbo.picture(KINDS["turbo"].mix)
    assert each == pytest.approx(turbo.encode + turbo.row + turbo.decode)


def test_tiny_models_are_tiny() -> None:
    for kind in KINDS.values():
        assert count(tiny(kind)).row < 0.0005


def test_the_matrix_rate_is_measured() -> None:
    assert matrix_rate(torch.device("cpu"), 64) > 0
