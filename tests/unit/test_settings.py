"""Settings: read from the environment and `.env`, and named in one sentence when wrong."""

from pathlib import Path

import pytest

from bot.sandbox.modes import environment_of
from bot.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_defaults_need_nothing() -> None:
    settings = Settings.load()
    assert settings.discord_token is None
    assert settings.database.startswith("sqlite+aiosqlite:///")
    assert settings.database.endswith("home/palimpsest.db")


def test_env_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DISCORD_TOKEN=from-file\nMODEL=my-model\n")
    monkeypatch.setenv("MODEL", "other")
    settings = Settings.load()
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "from-file"
    assert settings.model == "other"


def test_the_token_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret-token")
    assert "secret-token" not in repr(Settings.load())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DISCORD_API_URL", "discord.com", "must start with http:// or https://"),
        ("LOG_LEVEL", "LOUD", "must be DEBUG, INFO, WARNING or ERROR"),
        ("MAX_ATTEMPTS", "0", "greater than or equal to 1"),
        ("PICTURE_DAYS", "never", "number"),
        ("WEB_PORT", "70000", "65535"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(f"{name}='{value}' is not usable: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "")
    assert Settings.load().discord_token is None


def test_the_sandbox_never_opens_the_owner_s_job_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path(".env").write_text("DATABASE_URL=sqlite+aiosqlite:////srv/owner.db\n")
    assert Settings.load().database.endswith("owner.db")
    for name, value in environment_of(tmp_path / "demo").items():
        monkeypatch.setenv(name, value)
    assert Settings.load().database == f"sqlite+aiosqlite:///{tmp_path / 'demo' / 'palimpsest.db'}"


@pytest.mark.parametrize(("value", "strict"), [("", True), ("true", True), ("false", False)])
def test_fast_mode_is_asked_for(monkeypatch: pytest.MonkeyPatch, value: str, strict: bool) -> None:
    monkeypatch.setenv("STRICT", value)
    assert Settings.load().strict is strict


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().model = "x"
