"""Every setting of the bot, read once from the environment or `.env`."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A setting is missing or wrong; the text is one sentence that names it."""


def job_log_in(home: Path) -> str:
    """URL of the job log that lies in a PALIMPSEST_HOME."""
    return f"sqlite+aiosqlite:///{(home / 'palimpsest.db').absolute()}"


class Settings(BaseSettings):
    """The owner's choices. Names are case-insensitive in the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        extra="ignore",
        use_attribute_docstrings=True,
        env_ignore_empty=True,
    )

    discord_token: SecretStr | None = None
    """The bot token from Discord's developer portal. Without it `make run` starts the sandbox."""

    discord_api_url: str = "https://discord.com/api/v10"
    """Root of the Discord-compatible API; the gateway's address is asked from it."""

    palimpsest_home: Path = Path("home")
    """Folder for the database, the pictures and `models/`."""

    database_url: str | None = None
    """URL of the job log's SQLite file, `sqlite+aiosqlite:////var/lib/palimpsest.db`; by default
    it lies in PALIMPSEST_HOME."""

    model: str = "pocket"
    """Default model: a catalogue entry, a hub repository or a local diffusers folder."""

    device: str = "auto"
    """Where the model runs: `auto`, `cpu`, `cuda` or `cuda:N`."""

    strict: bool = True
    """Whether a picture is the same to the last bit whatever else is being painted. `false` paints
    more pictures a second, in bfloat16 where the device has it."""

    max_source_bytes: int = Field(default=25 * 1024 * 1024, ge=64 * 1024)
    """Largest source file accepted, in bytes."""

    max_source_megapixels: float = Field(default=50.0, gt=0, le=500)
    """Largest source picture accepted, in megapixels, checked before it is decoded."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    """How often a job is tried when the engine dies under it."""

    picture_days: float = Field(default=30.0, gt=0)
    """Pictures older than this many days are removed, unless a waiting job needs them."""

    picture_megabytes: int = Field(default=10_000, ge=1)
    """Total size of kept pictures in MB; the oldest go first."""

    web_port: int | None = Field(default=None, ge=0, le=65535)
    """Port on 127.0.0.1 for health, metrics and the gallery; not served unless set."""

    log_level: str = "INFO"
    """Lowest level that is logged: DEBUG (of the bot itself, not of libraries), INFO, WARNING or
    ERROR."""

    @field_validator("discord_api_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @classmethod
    def load(cls) -> Self:
        """Reads and checks all settings. Raises SettingsError naming the first wrong one."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).upper()
            reason = str(first["msg"]).removeprefix("Value error, ")
            raise SettingsError(f"{name}={first['input']!r} is not usable: {reason}.") from error

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or job_log_in(self.palimpsest_home)

    @property
    def pictures(self) -> Path:
        """Folder of the content-addressed pictures."""
        return self.palimpsest_home / "pictures"

    @property
    def models(self) -> Path:
        """Folder where the owner's own models lie."""
        return self.palimpsest_home / "models"
