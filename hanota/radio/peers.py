"""Where the admitted devices are: short address and endpoints, kept across restarts of the coordinator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.eui64 import Eui64


@dataclass(frozen=True, slots=True)
class Address:
    """Where one cluster of one device is."""

    nwk: int
    endpoint: int


class Peers:
    """Two devices never share a short address: the one that came last has it."""

    def __init__(self) -> None:
        self._nwk: dict[Eui64, int] = {}
        self._device: dict[int, Eui64] = {}
        self._endpoints: dict[Eui64, dict[int, int]] = {}
        self._changed = asyncio.Event()

    def place(self, device: Eui64, nwk: int) -> None:
        """Note the short address of a device."""
        self.displace(device)
        previous = self._device.get(nwk)
        if previous is not None:
            self.displace(previous)
        self._nwk[device], self._device[nwk] = nwk, device
        self._notify()

    def displace(self, device: Eui64) -> None:
        """Forget the short address of a device."""
        nwk = self._nwk.pop(device, None)
        if nwk is not None:
            del self._device[nwk]

    def learn(self, device: Eui64, endpoints: Mapping[int, int]) -> None:
        """Note endpoints of a device by cluster."""
        known = self._endpoints.setdefault(device, {})
        if not endpoints.items() <= known.items():
            known.update(endpoints)
            self._notify()

    def device_at(self, nwk: int) -> Eui64 | None:
        """Return the device with that short address."""
        return self._device.get(nwk)

    def placed(self) -> Mapping[Eui64, int]:
        """Return the short address of every device that has one."""
        return self._nwk

    def find(self, device: Eui64, cluster: int) -> Address | None:
        """Return where `cluster` of `device` is, if known."""
        nwk = self._nwk.get(device)
        endpoint = self._endpoints.get(device, {}).get(cluster)
        return None if nwk is None or endpoint is None else Address(nwk, endpoint)

    async def changed(self) -> None:
        """Wait until something is learnt; the caller sets the limit."""
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
