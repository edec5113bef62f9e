import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.training.crops import PairCrops
from inference.training.pairs import PairsError, check
from tests.pair_folder import slope, write_pairs

SIZE = (32, 24)
TWO = {"a": (40, 40), "b": (64, 32)}


def problems(folder: Path, instruction: str | None = "x", inputs_needed: bool = True) -> list[str]:
    with pytest.raises(PairsError) as caught:
        check(folder, SIZE, instruction=instruction, inputs_needed=inputs_needed)
    told = str(caught.value)
    assert "nothing was trained" in told
    assert all(f"- {one}" in told for one in caught.value.problems)
    return list(caught.value.problems)


def test_a_good_folder(tmp_path: Path) -> None:
    csv = 'name,instruction\nb,"colour it, please"\n'
    a, b = check(write_pairs(tmp_path, TWO, instructions=csv), SIZE, instruction="colorize")
    assert (a.name, a.instruction) == ("a", "colorize")
    assert (b.name, b.instruction) == ("b", "colour it, please")
    assert a.source == tmp_path / "input" / "a.png"
    assert a.target == tmp_path / "output" / "a.png"


def test_what_a_spreadsheet_writes_is_read(tmp_path: Path) -> None:
    csv = "\ufeffname,instruction\r\na.png,one\r\nb,two\r\n\r\n,\r\n"
    pairs = check(write_pairs(tmp_path, TWO, instructions=csv), SIZE)
    assert [p.instruction for p in pairs] == ["one", "two"]


def test_formats_may_be_mixed_and_hidden_files_are_let_be(tmp_path: Path) -> None:
    write_pairs(tmp_path, TWO)
    (tmp_path / "input" / "a.png").unlink()
    slope(0, (40, 40)).save(tmp_path / "input" / "a.jpg")
    (tmp_path / "input" / ".DS_Store").write_bytes(b"x")
    assert len(check(tmp_path, SIZE, instruction="")) == 2


def test_a_photograph_on_its_side_is_turned_before_it_is_compared(tmp_path: Path) -> None:
    write_pairs(tmp_path, {"a": (64, 32)})
    sideways = Image.open(tmp_path / "input" / "a.png").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "input" / "a.png", exif=exif)
    (pair,) = check(tmp_path, SIZE, instruction="")
    source, target = PairCrops([pair], (64, 32), native=True).centre(0)
    assert np.array_equal(source, np.asarray(slope(1, (64, 32)).convert("L").convert("RGB")))
    assert np.array_equal(target, np.asarray(slope(1, (64, 32))))


def cut_off(folder: Path) -> None:
    path = folder / "input" / "a.png"
    path.write_bytes(path.read_bytes()[:-40])


def animate(folder: Path) -> None:
    frames = [slope(i, (40, 40)) for i in range(3)]
    frames[0].save(folder / "output" / "a.png", save_all=True, append_images=frames[1:])


def twice(folder: Path) -> None:
    slope(0, (40, 40)).save(folder / "input" / "a.bmp")


def csv(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "instruction.csv").write_bytes(text.encode("latin-1"))

    return write


BAD: list[tuple[Callable[[Path], object], str | None, list[str]]] = [
    (lambda f: (f / "output/a.png").unlink(), "x", ["input/a.png has no partner in output."]),
    (lambda f: (f / "input/b.png").unlink(), "x", ["output/b.png has no partner in input."]),
    (
        lambda f: slope(0, (41, 40)).save(f / "input/a.png"),
        "x",
        [
            "input/a.png has 41×40 pixels and output/a.png 40×40; a pair's pictures must have one "
            "size."
        ],
    ),
    (
        lambda f: slope(0, (40, 20)).save(f / "input/a.png"),
        "x",
        ["input/a.png has 40×20 pixels; training needs at least 32×24."],
    ),
    (
        cut_off,
        "x",
        [
            "input/a.png: The PNG file is damaged or cut off; export or download it again and post "
            "that."
        ],
    ),
    (
        lambda f: (f / "input/a.png").write_bytes(b""),
        "x",
        ["input/a.png: The file is empty; post a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF picture."],
    ),
    (
        lambda f: (f / "input/notes.txt").write_text("hello"),
        "x",
        [
            "input/notes.txt has no partner in output.",
            "input/notes.txt: The file is a text file; "
            "only PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF pictures are accepted.",
        ],
    ),
    (animate, "x", ["output/a.png is animated; save the one frame that is meant."]),
    (twice, "x", ["input/a.png and input/a.bmp have the same name."]),
    (lambda f: (f / "input/more").mkdir(), "x", ["input/more is not a file."]),
    (
        lambda f: None,
        None,
        [
            "There is no instruction.csv; write one, or name one instruction for all pairs with "
            "--instruction."
        ],
    ),
    (csv("name,instruction\nb,two\n"), None, ["instruction.csv has no row for a."]),
    (
        csv("name,instruction\n"),
        None,
        ["instruction.csv has no row for a.", "instruction.csv has no row for b."],
    ),
    (
        csv("name,instruction\na,one\nc,three\nb,two\na,again\n"),
        None,
        [
            "Line 3 of instruction.csv names c, of which there is no pair.",
            "Line 5 of instruction.csv names a a second time.",
        ],
    ),
    (csv("name,instruction\na,\n"), "x", ["Line 2 of instruction.csv has no instruction for a."]),
    (
        csv("name,instruction\na,one, two\nb\n"),
        None,
        [
            "Line 2 of instruction.csv has 3 cells where 2 belong; put quotation marks around an "
            "instruction with a comma.",
            "Line 3 of instruction.csv has 1 cell where 2 belong; put quotation marks around an "
            "instruction with a comma.",
        ],
    ),
    (
        csv("file;text\na;b\n"),
        None,
        ["The first line of instruction.csv is “file;text”; it must be “name,instruction”."],
    ),
    (
        csv(""),
        None,
        ["The first line of instruction.csv is “”; it must be “name,instruction”."],
    ),
    (
        csv("name,instruction\na,\xe9t\xe9\n"),
        "x",
        ["instruction.csv is not readable as UTF-8 text."],
    ),
]


@pytest.mark.parametrize("index", range(len(BAD)))
def test_each_fault_is_told(tmp_path: Path, index: int) -> None:
    spoil, instruction, expected = BAD[index]
    write_pairs(tmp_path, TWO)
    spoil(tmp_path)
    assert problems(tmp_path, instruction) == expected


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    names = [f"p{i}" for i in range(6)]
    write_pairs(tmp_path, dict.fromkeys(names, (40, 40)), instructions="name,text\n")
    (tmp_path / "input" / "p0.png").unlink()
    (tmp_path / "output" / "p1.png").write_bytes(b"GIF89a")
    slope(0, (50, 50)).save(tmp_path / "output" / "p2.png")
    slope(0, (8, 8)).save(tmp_path / "output" / "p3.png")
    found = "\n".join(problems(tmp_path))
    for part in ("output/p0.png", "output/p1.png", "input/p2.png", "output/p3.png", "name,text"):
        assert part in found
    assert len(found.splitlines()) == 5


def test_folders_that_are_none(tmp_path: Path) -> None:
    assert problems(tmp_path / "no") == [f"{tmp_path / 'no'} is not a folder."]
    assert problems(tmp_path) == ["There is no folder output.", "There is no folder input."]
    for kind in ("input", "output"):
        (tmp_path / kind).mkdir()
    assert problems(tmp_path) == ["There is no picture in input and output."]


def test_outputs_alone_are_enough_where_no_input_is_needed(tmp_path: Path) -> None:
    write_pairs(tmp_path, TWO, inputs=False)
    assert problems(tmp_path) == ["There is no folder input."]
    pairs = check(tmp_path, SIZE, instruction="x", inputs_needed=False)
    assert [p.source for p in pairs] == [None, None]
    source, target = PairCrops(pairs, SIZE).draw(0, random.Random(0))
    assert np.array_equal(source, target)


def test_half_of_the_inputs_is_not_enough_either(tmp_path: Path) -> None:
    write_pairs(tmp_path, TWO)
    (tmp_path / "input" / "b.png").unlink()
    assert problems(tmp_path, inputs_needed=False) == ["output/b.png has no partner in input."]


@pytest.mark.parametrize("native", [False, True])
def test_a_crop_is_the_same_part_of_both(tmp_path: Path, native: bool) -> None:
    pairs = check(write_pairs(tmp_path, TWO | {"long": (200, 90)}), SIZE, instruction="")
    crops = PairCrops(pairs, SIZE, native=native)
    for index in range(3):
        rng = random.Random(index)
        drawn = [crops.draw(index, rng) for _ in range(20)]
        for source, target in drawn:
            assert source.shape == target.shape == (24, 32, 3)
            grey = np.asarray(Image.fromarray(target).convert("L"), np.float32)
            assert np.abs(grey - source[..., 0]).max() <= 3
        assert len({target.tobytes() for _, target in drawn}) > 10
        rises = [
            float(t[..., 0].astype(int)[:, -1].mean() - t[..., 0][:, 0].mean()) for _, t in drawn
        ]
        assert min(rises) < 0 < max(rises), "mirrored and not"
    unmirrored = PairCrops(pairs, SIZE, native=native, mirror=False)
    for _ in range(10):
        _, target = unmirrored.draw(0, rng)
        assert target[0, -1, 0] > target[0, 0, 0]


def test_fitted_crops_show_nearly_all_and_native_ones_every_pixel(tmp_path: Path) -> None:
    pairs = check(write_pairs(tmp_path, {"a": (320, 240)}), SIZE, instruction="")
    _, fitted = PairCrops(pairs, SIZE, mirror=False).draw(0, random.Random(1))
    _, native = PairCrops(pairs, SIZE, mirror=False, native=True).draw(0, random.Random(1))
    whole = np.asarray(slope(1, (320, 240)), np.float32)
    span = float(whole[0, -1, 0] - whole[0, 0, 0])
    assert float(fitted[0, -1, 0]) - float(fitted[0, 0, 0]) > 0.8 * span
    assert float(native[0, -1, 0]) - float(native[0, 0, 0]) < 0.15 * span


def test_small_memory_changes_nothing(tmp_path: Path) -> None:
    pairs = check(write_pairs(tmp_path, TWO), SIZE, instruction="")
    generous, mean = PairCrops(pairs, SIZE), PairCrops(pairs, SIZE, memory=1)
    one, two = random.Random(5), random.Random(5)
    for index in (0, 1, 0, 0, 1):
        for a, b in zip(generous.draw(index, one), mean.draw(index, two), strict=True):
            assert np.array_equal(a, b)
