"""Which daemon the client speaks to, with which token, and the times a user writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hanota.cli.client.settings import DEFAULT_URL, read_settings
from hanota.cli.client.stream import EventParser
from hanota.cli.client.when import parse_when
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()


def token_file(path: Path, mode: int = 0o600) -> Path:
    path.write_text('token = "of the file"\n')
    path.chmod(mode)
    return path


def test_the_token_is_that_of_the_file_then_of_the_environment_then_beside_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"HANOTA_TOKEN": "of the environment"}
    assert read_settings(DEFAULT_URL, None, environment={}).token is None
    beside = token_file(tmp_path / "hanota.sqlite.token")
    assert read_settings(DEFAULT_URL, None, environment={}).token == "of the file"
    assert read_settings(DEFAULT_URL, None, environment=environment).token == "of the environment"
    assert read_settings(DEFAULT_URL, beside, environment=environment).token == "of the file"


def test_a_token_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="others may use it"):
        read_settings(DEFAULT_URL, token_file(tmp_path / "token", 0o644))


def test_a_token_is_in_no_text_of_the_settings() -> None:
    settings = read_settings(DEFAULT_URL, None, environment={"HANOTA_TOKEN": "s3cret"})
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8079", "ftp://host", "http://", "unix:/socket"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not an address"):
        read_settings(url, None, environment={})


@pytest.mark.parametrize(
    ("url", "in_the_clear"),
    [
        ("http://127.0.0.1:8079", False),
        ("http://localhost:8079/", False),
        ("http://[::1]:8079", False),
        ("https://bench.example", False),
        ("http://bench.example", True),
        ("http://192.0.2.1:8079", True),
    ],
)
def test_a_token_goes_in_the_clear_to_other_machines_without_https_alone(
    url: str, in_the_clear: bool
) -> None:
    assert read_settings(url, None, environment={}).in_the_clear is in_the_clear


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    settings = read_settings("https://host", None, ca=tmp_path / "missing.pem", environment={})
    with pytest.raises(ConfigError, match="cannot use these certificates"):
        settings.tls()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("+90s", 90),
        ("+10m", 600),
        ("+2h", 7200),
        ("+1d", 86400),
        ("2026-11-21T12:30Z", 1800),
        ("2026-11-21T12:30:00+00:00", 1800),
        ("2026-11-21T13:30:00+01:00", 1800),
    ],
)
def test_a_time_is_relative_or_absolute(text: str, seconds: float) -> None:
    assert parse_when(text, NOW) == NOW + seconds


def test_a_time_of_day_is_the_next_one_of_the_user_s_own_clock() -> None:
    ahead, before = (datetime.fromtimestamp(NOW + step, UTC).astimezone() for step in (3600, -3600))
    assert parse_when(f"{ahead:%H:%M}", NOW) == NOW + 3600
    assert parse_when(f"{before:%H:%M}", NOW) == NOW + 23 * 3600


@pytest.mark.parametrize(
    "text", ["", "now", "+10", "-10m", "+m", "25:00", "2026-11-31T00:00", "1", "+9999999d"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a time"):
        parse_when(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-21T11:59:59Z", "2020-01-01T00:00Z"])
def test_a_time_that_is_past_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is past"):
        parse_when(text, NOW)


def parsed(text: str) -> tuple[list[str], str]:
    """Return the data of every event in a stream, and the last id."""
    parser = EventParser("7")
    found = [data for line in text.split("\n") if (data := parser.feed(line)) is not None]
    return found, parser.last_id


@pytest.mark.parametrize(
    ("text", "data", "last"),
    [
        ("id: 8\ndata: {}\n\n", ["{}"], "8"),
        ("data: a\ndata: b\n\n", ["a\nb"], "7"),
        ("data:no space\n\n", ["no space"], "7"),
        (": a comment\n\n", [], "7"),
        (": nothing new\nid: 12\n\n", [], "12"),
        ("retry: 2000\n\nevent: x\ndata: of another type\n\ndata: y\n\n", ["y"], "7"),
        ("id: 9\ndata: unfinished", [], "7"),
        ("id: a\0b\ndata: z\n\n", ["z"], "7"),
    ],
)
def test_server_sent_events_are_read_as_the_standard_has_it(text: str, data: list[str], last: str) -> None:
    assert parsed(text) == (data, last)
