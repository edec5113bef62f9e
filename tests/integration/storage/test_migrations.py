"""The migrations arrive at the tables in code, and go back to nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, make_url, text

from bot.settings import SettingsError
from bot.storage.database import MIGRATIONS, Database, migrate, parse_url
from bot.storage.rows import job_of, select_jobs
from bot.storage.tables import metadata
from inference.request import Recipe

KILLED_AFTER = """
import os, signal, sys
from sqlalchemy import Engine, event, make_url
from bot.storage.database import migrate

@event.listens_for(Engine, "after_cursor_execute")
def killed(connection, cursor, statement, *_):
    if sys.argv[2] in " ".join(statement.split()):
        os.kill(os.getpid(), signal.SIGKILL)

migrate(make_url(sys.argv[1]))
"""


@pytest.fixture
def engine(tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    yield engine
    engine.dispose()


def _tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def _schema(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [*connection.scalars(text("SELECT sql FROM sqlite_master ORDER BY name"))]


def _down(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = engine.url
    command.downgrade(config, "base")


def test_up_down_and_up_again(engine: Engine) -> None:
    migrate(engine.url)
    assert _tables(engine) == set(metadata.tables)
    _down(engine)
    assert _tables(engine) == set()
    migrate(engine.url)
    assert _tables(engine) == set(metadata.tables)


def test_the_migrated_schema_is_the_one_in_code(engine: Engine) -> None:
    migrate(engine.url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_job_from_before_second_pictures_comes_back_without_one(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = engine.url
    command.upgrade(config, "0003")
    values = {
        "status": "succeeded",
        "recipe": Recipe(prompt="x").to_json(),
        "kind": "command",
        "delivery": "delivered",
        "created_at": "2026-01-01 00:00:00",
        **dict.fromkeys(("guild_id", "channel_id", "user_id", "upload_limit"), 1),
        **dict.fromkeys(("cost", "charged", "attempts"), 0),
    }
    columns, names = ", ".join(values), ", ".join(f":{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO jobs ({columns}) VALUES ({names})"), values)
    migrate(engine.url)
    with engine.connect() as connection:
        (job,) = map(job_of, connection.execute(select_jobs()).mappings())
    assert (job.recipe.prompt, job.second_url, job.second) == ("x", None, None)


@pytest.mark.parametrize(
    ("before", "last"),
    [
        (None, "CREATE TABLE jobs"),
        (None, "INSERT INTO alembic_version"),
        ("0003", "ADD COLUMN second_url"),
        ("0003", "CREATE INDEX ix_jobs_second"),
    ],
)
def test_a_migration_killed_half_way_changed_nothing_and_the_next_start_goes_through(
    tmp_path: Path, engine: Engine, before: str | None, last: str
) -> None:
    if before is not None:
        migrate(engine.url, before)
    was = _schema(engine)
    program = [sys.executable, "-c", KILLED_AFTER, str(engine.url), last]
    killed = subprocess.run(program, check=False, cwd=Path(__file__).parents[3], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert _schema(engine) == was
    migrate(engine.url)
    assert _tables(engine) == set(metadata.tables)


def test_the_command_line_migrates_what_the_settings_name(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = os.environ | {"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'log.db'}"}
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    engine = create_engine(f"sqlite:///{tmp_path / 'log.db'}")
    assert _tables(engine) == set(metadata.tables)
    engine.dispose()


async def test_opening_makes_the_folder_and_migrates_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "log.db"
    for _ in range(2):  # an existing file is opened as it is
        async with Database.open(f"sqlite:///{path}") as database, database.read() as connection:
            answer = await connection.exec_driver_sql("PRAGMA journal_mode")
            assert answer.scalar_one() == "wal"
            answer = await connection.exec_driver_sql("PRAGMA synchronous")
            assert answer.scalar_one() == 1


@pytest.mark.parametrize(
    "url", ["postgresql://u:secret@h/d", "sqlite://", "sqlite:///:memory:", "?"]
)
def test_what_is_no_sqlite_file_is_refused_and_no_password_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_a_percent_sign_in_the_path_is_kept(tmp_path: Path) -> None:
    migrate(make_url(f"sqlite:///{tmp_path / '100%.db'}"))
    assert (tmp_path / "100%.db").exists()
