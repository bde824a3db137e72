"""`hanota radio`: the dongles of this machine found, known, backed up and made ready."""

from hanota.cli.radio.app import app

__all__ = ["app"]
