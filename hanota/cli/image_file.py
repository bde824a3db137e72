"""OTA files as commands read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.files import read_start
from hanota.ota.image import ImageLimits

if TYPE_CHECKING:
    from pathlib import Path


def read_image_file(path: Path) -> bytes:
    """Read a file, one octet past the size limit at most: enough for the parser to refuse it.

    Raise ConfigError where it cannot be read.
    """
    return read_start(path, ImageLimits().total_image_size + 1)
