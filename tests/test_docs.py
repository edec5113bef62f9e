"""The documentation says what the code does: settings, module map, commands."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from bot.settings import Settings

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_docstring(name: str) -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    field = Settings.model_fields[name]
    rows = [line for line in text.splitlines() if line.startswith(f"| `{name.upper()}` |")]
    assert len(rows) == 1
    assert field.description
    assert field.description.replace("\n", " ") in rows[0]
    default = "—" if field.default is None else f"`{field.default}`"
    assert rows[0].endswith(f"| {default} |")


def test_no_setting_is_documented_that_does_not_exist() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    named = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)


MAP = "## Module map\n\n"


def module_map() -> str:
    """The tables of docs/architecture.md, from what git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "bot", "inference"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    folders: dict[Path, list[str]] = {}
    for path in sorted(Path(one) for one in listed):
        if path.suffix != ".py" or path.name == "__init__.py" or not (ROOT / path).exists():
            continue
        text = ast.get_docstring(ast.parse((ROOT / path).read_text()))
        assert text is not None, f"{path} has no docstring"
        first = " ".join(text.partition("\n\n")[0].split())
        folders.setdefault(path.parent, []).append(f"| `{path}` | {first} |")
    tables = [
        "\n".join([f"| `{folder}/` | |", "| --- | --- |", *rows])
        for folder, rows in folders.items()
    ]
    return "\n\n".join(tables) + "\n"


def test_the_module_map_is_what_the_modules_say() -> None:
    _, _, written = (ROOT / "docs/architecture.md").read_text().partition(MAP)
    assert written.partition("\n\n")[2] == module_map(), "run: python -m tests.test_docs"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named
    assert named <= targets


if __name__ == "__main__":
    DOCUMENT = ROOT / "docs/architecture.md"
    before, _, after = DOCUMENT.read_text().partition(MAP)
    DOCUMENT.write_text(before + MAP + after.partition("\n")[0] + "\n\n" + module_map())
