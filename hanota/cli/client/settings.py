"""Which daemon the client speaks to, and as whom."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hanota.cli.client.access_file import AccessFile, read_access_file
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
    """None where none was found: then the certificate says who comes, or the daemon what it needs."""
    ca: Path | None = None
    """Certificates that may sign the daemon's, PEM; None: those of the system."""
    certificate: Path | None = None
    """The client's own certificate, PEM: shown where the daemon asks for one, and it may name the client."""
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
                hint="--ca, --cert and --key name PEM files; the key belongs to the certificate",
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

    What is not given here is what `token_file` says. Without that file the token is that of HANOTA_TOKEN;
    else, where there is no certificate either, of the file a daemon makes beside its database, if the working
    folder has one.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"not an address of a daemon: {url!r}", hint=f"such as {DEFAULT_URL}")
    if key is not None and certificate is None:
        raise ConfigError("a key without its certificate", hint="name the certificate with --cert")
    found = AccessFile() if token_file is None else read_access_file(token_file)
    if certificate is None:
        certificate, key = found.certificate, found.key
    token = found.token
    if token_file is None:
        token = environment.get("HANOTA_TOKEN", "").strip() or None
    if token_file is None and token is None and certificate is None:
        token = _token_of_a_daemon_here()
    if certificate is not None and parts.scheme == "http":
        raise ConfigError(
            f"a certificate can be shown over https only, not at {url}", hint="--url names the daemon"
        )
    return ClientSettings(url.rstrip("/"), token, ca or found.ca, certificate, key)


def _token_of_a_daemon_here() -> str | None:
    # The daemon's package knows the name of its file; loaded only by a command that runs.
    from hanota.daemon.token_file import token_file  # noqa: PLC0415

    beside = token_file(Path(DEFAULT_DATABASE))
    return read_access_file(beside).token if beside.exists() else None
