"""The connection to the job log: migrated, in WAL mode, one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.settings import SettingsError
from bot.storage.turns import Turns

MIGRATIONS = Path(__file__).parents[2] / "migrations"
BUSY_SECONDS = 10


class DatabaseUnavailable(OSError):
    """The database cannot be used now: locked by another process for long, or its disk is full.

    Nothing was changed; it may work later.
    """


def parse_url(url: str) -> URL:
    """The URL with its asynchronous driver. Raises SettingsError unless it is a SQLite file."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"DATABASE_URL={url!r} is not usable: not a SQLAlchemy URL.") from error
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise SettingsError(
            f"DATABASE_URL={parsed!r} is not usable: "
            "it must name a SQLite file, as in sqlite+aiosqlite:////var/lib/palimpsest.db."
        )
    return parsed.set(drivername="sqlite+aiosqlite")


def migrate(url: URL, revision: str = "head") -> None:
    """Brings the schema up to `revision`, wholly or not at all; blocking."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def begin_plainly(engine: Engine) -> None:
    """Transactions begin with BEGIN, before whatever comes first in them.

    The driver would begin them itself, but only before a row is changed: what is done to the
    schema would be committed statement by statement.

    Connections with the execution option `writes` own the database from BEGIN on.
    """
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


class Database:
    """Hands out connections. `write` is for one writer at a time and commits; `read` never writes.

    Both raise DatabaseUnavailable.

    SQLite lets one connection write. Waiting for it inside SQLite means sleeping in steps of
    milliseconds; waiting for our own lock costs nothing, so writers of this process use the
    lock and BEGIN IMMEDIATE settles it with any other process.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._turns = Turns()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["Database"]:
        """Creates the file where needed, migrates it and closes it at the end.

        url: SQLAlchemy URL of a SQLite file. Raises SettingsError for anything else.
        """
        parsed = parse_url(url)
        await asyncio.to_thread(_prepare, parsed)
        engine = create_async_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
        begin_plainly(engine.sync_engine)
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one consistent state."""
        with _translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, urgent: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that owns the database: committed at the end, undone by an exception.

        urgent: goes before everybody else who waits.
        """
        with _translated():
            async with self._turns.take(urgent=urgent), self._writer.begin() as connection:
                yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailable(f"The database cannot be used: {error.orig}") from error


def _prepare(url: URL) -> None:
    assert url.database is not None
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    migrate(url)


def _on_connect(dbapi_connection: Any, _record: object) -> None:
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
