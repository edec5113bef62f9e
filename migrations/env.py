"""Run by Alembic: `alembic upgrade head`, or the bot itself at start.

All migrations of a run are one transaction: whatever ends it half-way, the database is as it was.
"""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool

from bot.settings import Settings
from bot.storage.database import BUSY_SECONDS, begin_plainly, parse_url
from bot.storage.tables import metadata


def main() -> None:
    url = context.config.attributes.get("url") or parse_url(Settings.load().database)
    url = url.set(drivername="sqlite")
    if context.is_offline_mode():
        _run(url=url, literal_binds=True)
        return
    engine = create_engine(
        url,
        poolclass=pool.NullPool,
        connect_args={"timeout": BUSY_SECONDS},
        execution_options={"writes": True},
    )
    begin_plainly(engine)
    with engine.connect() as connection:
        _run(connection=connection)


def _run(**where: Any) -> None:
    # SQLite's changes of the schema are transactional; Alembic takes it that they are not.
    context.configure(
        target_metadata=metadata, render_as_batch=True, transactional_ddl=True, **where
    )
    with context.begin_transaction():
        context.run_migrations()


main()
