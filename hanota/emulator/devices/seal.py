"""The check of authenticity that a maker puts into his own Manufacturer Image, as an emulated device has it.

GBCS leaves it to the maker (0.8.1, 11.2). Here it is a digest at the end of images that begin with a mark;
others are taken as they are.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

_MARK: Final = b"sealed by hanota"
_DIGEST: Final = 32


def sealed(octets: bytes) -> bytes:
    """Return a Manufacturer Image of as many octets, or a few more, with mark and digest."""
    inside = _MARK + octets[: max(1, len(octets) - len(_MARK) - _DIGEST)]
    return inside + hashlib.sha256(inside).digest()


def is_whole(manufacturer_image: bytes) -> bool:
    """Tell whether an image is as it was sealed, or has no seal."""
    if not manufacturer_image.startswith(_MARK):
        return True
    inside, digest = manufacturer_image[:-_DIGEST], manufacturer_image[-_DIGEST:]
    return hmac.compare_digest(hashlib.sha256(inside).digest(), digest)
