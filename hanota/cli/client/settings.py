"""Which daemon the client speaks to, and as whom."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_URL: Final = "http://127.0.0.1:8079"
"""Where a daemon listens unless its settings say otherwise."""
DEFAULT_DATABASE: Final = "hanota.sqlite"
"""Beside it is the token that a daemon without configured ones makes."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One daemon, and every limit of speaking to it."""

    url: str = DEFAULT_URL
    token: str | None = field(default=None, repr=False)
    """None where none was found: then the daemon says what it needs."""
    ca: Path | None = None
    """Certificates that may sign the daemon's, PEM; None: those of the system."""
    certificate: Path | None = None
    """The client's own certificate, PEM, where the daemon asks for one."""
    key: Path | None = None
    """Its private key; None: it is in the certificate's file."""

    timeout: float = 30
    """Seconds the daemon may take to answer; it computes for some milliseconds."""
    stream_timeout: float = 60
    """Seconds without a word on an event stream, which has a heartbeat four times as often."""
    line_limit: int = 1024 * 1024
    """Characters of one line of an event stream; the longest event, a GBCS message in hex, has some 4,000."""
    retry_delay: float = 1
    """Seconds before a lost event stream is asked for again, doubled each time it fails."""
    retry_delay_limit: float = 15
    """The longest of those delays."""

    @property
    def in_the_clear(self) -> bool:
        """Tell whether the token would pass a network that others may listen to."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")

    def tls(self) -> ssl.SSLContext | bool:
        """Return what to verify the daemon by; raise ConfigError for certificates that cannot be read."""
        if self.ca is None and self.certificate is None:
            return True
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot use these certificates: {error.strerror or error}",
                hint="--ca, --cert and --key name PEM files",
            ) from error
        return context


def read_settings(
    url: str,
    token_file: Path | None,
    *,
    ca: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ClientSettings:
    """Return the settings of a command line; raise ConfigError.

    The token is that of `token_file`, else of HANOTA_TOKEN, else of the file a daemon makes beside its
    database, if there is one in the working folder.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"not an address of a daemon: {url!r}", hint=f"such as {DEFAULT_URL}")
    token = _token(token_file, environment)
    return ClientSettings(url.rstrip("/"), token, ca, certificate, key)


def _token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    # The daemon's package knows the form of its file; loaded only by a command that runs.
    from hanota.daemon.token_file import read_token, token_file  # noqa: PLC0415

    if file is not None:
        return read_token(file)
    given = environment.get("HANOTA_TOKEN", "").strip()
    if given:
        return given
    beside = token_file(Path(DEFAULT_DATABASE))
    return read_token(beside) if beside.exists() else None
