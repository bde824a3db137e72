"""Keys for Wireshark, which cannot compute those of key establishment: a file of its ZigBee key table.

Wireshark's `zigbee_pc_keys` (epan/dissectors/packet-zbee-security.c): each line has the key in hex, the order
of its octets and a label, each in quotes (epan/uat.c); `Normal` is the first octet first.
"""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError, LocalProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.eui64 import Eui64

logger = logging.getLogger(__name__)

KEY_OCTETS: Final = 16
FILE_MODE: Final = 0o600
LARGEST_FILE: Final = 1_000_000
"""Octets; some ten thousand keys, far above those of a laboratory."""


class KeyExport:
    """Appends the keys of a laboratory's HAN to a file; a key that is in it already is not written again."""

    def __init__(self, path: Path, *, production: bool) -> None:
        """Open or create the file, mode 0600.

        Raise ConfigError where the credentials are of production, and for a file that is a symbolic link, no
        regular file, another user's, or of another mode.
        """
        if production:
            raise ConfigError(
                "keys made with production credentials are never exported",
                hint="leave the key export off, or use the credentials of a laboratory",
            )
        self._path = path
        try:
            file = self._open()
            try:
                self._lines = set(os.read(file, LARGEST_FILE).decode("utf-8", "replace").splitlines())
            finally:
                os.close(file)
        except OSError as error:
            raise ConfigError(
                f"cannot write keys to {path}: {error.strerror or error}",
                hint="a symbolic link is refused; name a file in a folder of your own",
            ) from error

    def network_key(self, key: bytes) -> None:
        """Write the network key, 16 octets."""
        self._append(key, "network key")

    def link_key(self, device: Eui64, key: bytes, label: str) -> None:
        """Write a link key of `device`, 16 octets; `label` tells where it comes from."""
        self._append(key, f"{device} {label}")

    def _append(self, key: bytes, label: str) -> None:
        """Write one line; a file that can be written no more is told of in the log."""
        if len(key) != KEY_OCTETS:
            raise LocalProtocolError(f"a key has {KEY_OCTETS} octets, got {len(key)}")
        line = f'"{key.hex()}","Normal","{_field(label)}"'
        if line in self._lines:
            return
        try:
            file = self._open()
            try:
                if os.fstat(file).st_size > LARGEST_FILE:
                    logger.warning("%s is full: the key of %s is not in it", self._path, label)
                    return
                os.write(file, f"{line}\n".encode())
            finally:
                os.close(file)
        except (OSError, ConfigError) as error:
            logger.warning("the key of %s is not in %s: %s", label, self._path, error)
        else:
            self._lines.add(line)

    def _open(self) -> int:
        """Open the file anew, for it may have been replaced; raise OSError, or ConfigError of what it is."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(self._path, flags, FILE_MODE)
        try:
            self._check(os.fstat(file))
        except ConfigError:
            os.close(file)
            raise
        return file

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{self._path} is no regular file: no key is written to it")
        if status.st_uid != os.geteuid():
            raise ConfigError(f"{self._path} is another user's: no key is written to it")
        if stat.S_IMODE(status.st_mode) != FILE_MODE:
            raise ConfigError(
                f"{self._path} has mode {stat.S_IMODE(status.st_mode):04o}: no key is written to it",
                hint=f"chmod 600 {self._path}",
            )


def _field(text: str) -> str:
    """Return `text` as a table's quoted field has it: quotes, backslashes and what is not ASCII escaped."""
    return "".join(
        chr(octet)
        if chr(octet).isprintable() and octet < 0x80 and chr(octet) not in '"\\'
        else f"\\x{octet:02x}"
        for octet in text.encode()
    )
