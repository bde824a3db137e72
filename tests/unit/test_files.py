"""Files of users: read within a bound, written whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from hanota.errors import ConfigError
from hanota.files import read_file, read_private_file, read_start, write_file

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_read_up_to_its_limit_and_refused_above(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")
    assert read_file(file, 4) == b"1234"
    assert read_start(file, 3) == b"123"
    with pytest.raises(ConfigError, match="file: more than 3 octets"):
        read_file(file, 3)


def test_an_endless_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    endless.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="more than 100 octets"):
        read_file(endless, 100)
    with pytest.raises(ConfigError, match="is not a file"):
        read_private_file(endless)


def test_a_named_pipe_in_a_secrets_place_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        read_private_file(tmp_path / "pipe")


def test_a_private_file_is_its_owners_alone_also_over_one_that_was_not(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"public")
    file.chmod(0o644)
    write_file(file, b"secret", private=True)
    assert (mode(file), read_private_file(file)) == (0o600, b"secret")


def test_other_files_have_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_file(tmp_path / "image", b"octets")
    finally:
        os.umask(before)
    assert mode(tmp_path / "image") == 0o644


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"theirs")
    with pytest.raises(ConfigError, match="is there already"):
        write_file(tmp_path / "file", b"ours", overwrite=False)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"theirs")]


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match=r"cannot write .*file: No space left on device"):
        write_file(tmp_path / "file", b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


def test_what_a_killed_program_left_half_written_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f".file.{os.getpid()}.part").write_bytes(b"ha")
    write_file(tmp_path / "file", b"whole", overwrite=False)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"
