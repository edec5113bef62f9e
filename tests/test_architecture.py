"""Who may import whom, and what the bot's process never loads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A room may import rooms of a lower rank and itself, so rooms of one rank do not know each other.
# What lies directly in `bot/` are the nouns, except what puts the whole together.
RANKS = {
    "inference": 0,
    "bot": 1,
    "bot.storage": 2,
    "bot.jobs": 3,
    "bot.discord_ui": 4,
    "bot.web": 4,
    "bot.sandbox": 4,
    "composition": 5,
}
COMPOSITION = {"bot.__main__", "bot.compose"}
SPEAK_DISCORD = {"bot.discord_ui", "bot.sandbox", "composition"}
HEAVY = ("torch", "numpy", "diffusers", "transformers", "scipy", "skimage")
LIGHT = ("bot.discord_ui", "bot.jobs", "bot.storage", "bot.web")


def modules() -> dict[str, Path]:
    found = {}
    for package in ("bot", "inference"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    if module in COMPOSITION:
        return "composition"
    if module.split(".", maxsplit=1)[0] == "inference":
        return "inference"
    pair = ".".join(module.split(".")[:2])
    return pair if pair in RANKS else "bot"


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in the file, in functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield node.module
            for alias in node.names:
                if f"{node.module}.{alias.name}" in MODULES:
                    yield f"{node.module}.{alias.name}"


@pytest.mark.parametrize("module", MODULES)
def test_a_layer_imports_only_to_its_right(module: str) -> None:
    home = room(module)
    for name in imports(MODULES[module]):
        if name.split(".")[0] not in ("bot", "inference"):
            continue
        target = room(name)
        allowed = target == home or RANKS[target] < RANKS[home]
        assert allowed or name == "bot", f"{module} ({home}) imports {name} ({target})"


@pytest.mark.parametrize("module", MODULES)
def test_only_the_rooms_for_it_speak_discord(module: str) -> None:
    roots = {name.split(".")[0] for name in imports(MODULES[module])}
    if room(module) not in SPEAK_DISCORD:
        assert "discord" not in roots
    if room(module) != "bot.sandbox":
        assert "simcord" not in roots


def loaded_by(*names: str) -> set[str]:
    """The top-level packages in memory after these imports, in a process of their own."""
    code = f"import sys, {', '.join(names)}; print(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize("package", ["bot", "inference"])
def test_importing_the_package_alone_is_light(package: str) -> None:
    assert loaded_by(package).isdisjoint({*HEAVY, "discord", "sqlalchemy", "aiohttp", "PIL"})


def test_the_bot_s_process_loads_no_torch() -> None:
    names = [name for name in MODULES if room(name) in (*LIGHT, "bot", "composition")]
    names.remove("bot.__main__")
    names += ["inference.catalog", "inference.executors.process", "inference.sizes"]
    assert loaded_by(*names).isdisjoint(HEAVY)


def test_an_engine_s_process_can_be_spoken_to_before_torch_is_loaded() -> None:
    assert loaded_by("inference.executors.worker").isdisjoint({*HEAVY, "bot"})


def test_long_files_are_split() -> None:
    long = [name for name, path in MODULES.items() if len(path.read_text().splitlines()) > 400]
    assert long == []
