"""Run by Alembic: `alembic upgrade head`, or the bot itself at start."""

from alembic import context
from sqlalchemy import create_engine, pool

from bot.settings import Settings
from bot.storage.database import parse_url
from bot.storage.tables import metadata


def main() -> None:
    url = context.config.attributes.get("url") or parse_url(Settings.load().database)
    url = url.set(drivername="sqlite")
    if context.is_offline_mode():
        context.configure(
            url=url, target_metadata=metadata, literal_binds=True, render_as_batch=True
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()


main()
