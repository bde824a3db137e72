"""The file of keys for Wireshark: its format, its mode, and when it is refused."""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING

import pytest

from hanota.errors import ConfigError, LocalProtocolError
from hanota.eui64 import Eui64
from hanota.radio.key_export import KeyExport

if TYPE_CHECKING:
    from pathlib import Path

PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
NETWORK_KEY = bytes(range(16))
LINK_KEY = bytes(range(16, 32))

# epan/uat_load.l reads quoted fields with commas between them; packet-zbee-security.c hex without separators.
LINE = re.compile(r'"[0-9a-f]{32}","Normal","[ -~]+"')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "zigbee_pc_keys"


def test_each_key_is_a_line_of_wiresharks_key_table(path: Path) -> None:
    export = KeyExport(path, production=False)
    export.network_key(NETWORK_KEY)
    export.link_key(PPMID, LINK_KEY, "CBKE suite 2")
    lines = path.read_text().splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    assert list(csv.reader(lines)) == [
        [NETWORK_KEY.hex(), "Normal", "network key"],
        [LINK_KEY.hex(), "Normal", f"{PPMID} CBKE suite 2"],
    ]


def test_a_key_is_in_the_file_as_soon_as_it_is_known(path: Path) -> None:
    export = KeyExport(path, production=False)
    assert path.read_text() == ""
    export.network_key(NETWORK_KEY)
    assert NETWORK_KEY.hex() in path.read_text()


def test_a_label_cannot_break_its_line(path: Path) -> None:
    KeyExport(path, production=False).link_key(PPMID, LINK_KEY, 'a "b" \\ c\nd \u00e9')
    (line,) = path.read_text().splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith(r'a \x22b\x22 \x5c c\x0ad \xc3\xa9"')


def test_the_file_is_created_for_its_owner_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        KeyExport(path, production=False)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_restart_goes_on_with_the_file_and_writes_no_key_twice(path: Path) -> None:
    KeyExport(path, production=False).network_key(NETWORK_KEY)
    export = KeyExport(path, production=False)
    export.network_key(NETWORK_KEY)
    export.link_key(PPMID, LINK_KEY, "install code")
    export.link_key(PPMID, LINK_KEY, "install code")
    assert len(path.read_text().splitlines()) == 2


def test_keys_of_production_credentials_are_never_exported(path: Path) -> None:
    with pytest.raises(ConfigError, match="production"):
        KeyExport(path, production=True)
    assert not path.exists()


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.touch(mode=0o600)
    path.symlink_to(target)
    with pytest.raises(ConfigError, match="cannot write keys"):
        KeyExport(path, production=False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700, 0o666])
def test_a_file_of_another_mode_is_refused(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)
    with pytest.raises(ConfigError, match="mode") as caught:
        KeyExport(path, production=False)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_pipe_is_refused(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="regular file"):
        KeyExport(path, production=False)


def test_a_folder_that_is_not_there_is_the_users_to_make(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write keys"):
        KeyExport(path.parent / "missing" / "keys", production=False)


def test_a_file_replaced_by_a_link_while_running_gets_no_key_and_stops_nothing(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export = KeyExport(path, production=False)
    target = tmp_path / "elsewhere"
    target.touch(mode=0o600)
    path.unlink()
    path.symlink_to(target)
    export.network_key(NETWORK_KEY)
    assert target.read_bytes() == b""
    assert "network key is not in" in caplog.text
    assert NETWORK_KEY.hex() not in caplog.text


def test_a_key_that_could_not_be_written_is_written_when_it_comes_again(path: Path) -> None:
    export = KeyExport(path, production=False)
    path.chmod(0o644)
    export.network_key(NETWORK_KEY)
    path.chmod(0o600)
    export.network_key(NETWORK_KEY)
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("octets", [0, 15, 17, 32])
def test_what_is_no_key_is_refused(path: Path, octets: int) -> None:
    with pytest.raises(LocalProtocolError):
        KeyExport(path, production=False).network_key(bytes(octets))
