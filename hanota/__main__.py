"""`python -m hanota`."""

from hanota.cli.main import app

app()
