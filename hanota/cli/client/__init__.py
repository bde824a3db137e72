"""`hanota client`: a running daemon asked and told what to do, over its REST interface."""

from hanota.cli.client.app import app

__all__ = ["app"]
