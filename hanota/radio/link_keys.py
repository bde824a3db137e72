"""The link keys in a coordinator: what every radio family does with them, and how one is recognised."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from hanota.eui64 import Eui64

UNREADABLE: Final = b""
"""What `export` returns for a key that is there but that the coordinator keeps to itself."""

_FINGERPRINT_OCTETS: Final = 16


class LinkKeyTable(Protocol):
    """The coordinator's link keys. Every method may raise whatever its radio library raises."""

    async def install(self, device: Eui64, nwk: int, key: bytes) -> bool:
        """Write a key in place of the device's own and read it back; False where there is no room for it."""
        ...

    async def remove(self, device: Eui64) -> None:
        """Erase the key of a device, if there."""
        ...

    async def export(self, device: Eui64) -> bytes | None:
        """Return the key of a device, UNREADABLE where it is kept secret, None where there is none."""
        ...

    async def holders(self) -> frozenset[Eui64]:
        """Return the devices that have a key."""
        ...

    async def owner(self, nwk: int) -> Eui64 | None:
        """Return the device whose key the coordinator takes for frames from `nwk`, None if it knows none."""
        ...


def fingerprint(device: Eui64, key: bytes) -> bytes:
    """Return the octets by which a key is recognised and from which it cannot be computed."""
    return hmac.digest(key, b"hanota link key" + device, hashlib.sha256)[:_FINGERPRINT_OCTETS]
