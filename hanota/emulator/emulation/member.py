"""One device of an emulated HAN: its node, what it does unattended, and what is told of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hanota.emulator.devices.misbehaviour import misbehave
from hanota.emulator.emulation.entries import External
from hanota.emulator.emulation.external import ExternalDevice
from hanota.emulator.node import NWK_UNASSIGNED
from hanota.errors import ConfigError, HanotaError, RadioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import Air
    from hanota.emulator.emulation.entries import DeviceEntry
    from hanota.emulator.emulation.nodes import Node
    from hanota.emulator.memory import Json

_OUTSIDE: Final = "left the HAN"


class Member:
    """A device; `tell` is called with what happens to it, in words."""

    def __init__(self, entry: DeviceEntry, node: Node, air: Air, tell: Callable[[str], None]) -> None:
        self.entry, self.node = entry, node
        self.switched_on = True
        self.console: Callable[[str], None] | None = None
        """Gets what is told, too: the device's debug console, where it has one."""
        self._air, self._report = air, tell
        self._joining = asyncio.Lock()
        self._told = _OUTSIDE
        node.notice = self._tell
        # Looked at when everything has settled: a device that leaves goes off first.
        node.presence_changed = self._look_soon

    async def join(self) -> None:
        """Switch on and join; raise RadioError where the network does not let it in."""
        async with self._joining:
            self.switched_on = True
            await self.node.join(self._air)

    async def leave(self) -> None:
        """Leave the network, and join no other by itself until told; raise RadioError if it is on none."""
        if not self.node.joined:
            raise RadioError(f"{self.entry.eui64} is not on a network")
        await self.node.leave()
        self.switched_on = False

    def power_off(self) -> None:
        """Cut the power."""
        self.switched_on = False
        self.node.power_off()

    async def power_on(self) -> None:
        """Give power; a device that has joined comes back, any other goes on looking for a network."""
        self.switched_on = True
        if self.node.nwk != NWK_UNASSIGNED and not self.node.joined:
            await self.node.power_on()

    def misbehave(self, name: str) -> None:
        """Make the device misbehave; raise ConfigError."""
        if isinstance(self.node, ExternalDevice):
            raise ConfigError(f"{self.entry.eui64} is external: its process has to misbehave")
        misbehave(self.node, name)

    def command(self, text: str) -> None:
        """Send an external device's process a CMD; raise ConfigError, RadioError."""
        if not isinstance(self.node, ExternalDevice):
            raise ConfigError(f"{self.entry.eui64} is not external")
        self.node.command(text)

    def status(self) -> dict[str, Json]:
        """Return what the device is and does."""
        node = self.node
        status: dict[str, Json] = {
            "device": str(self.entry.eui64),
            "kind": str(self.entry.kind),
            "joined": node.joined,
            "nwk": None if node.nwk == NWK_UNASSIGNED else node.nwk,
            "established": node.established,
            "switched_on": self.switched_on,
        }
        if isinstance(node, ExternalDevice):
            status["connected"] = node.connected
        else:
            status["file_version"] = f"{node.running.file_version:08X}"
            status["file_offset"] = node.client.file_offset
        return status

    async def stay_on(self) -> None:
        """Come up on the network it remembers, or go on trying to join one, for ever."""
        await self.power_on()
        while self.entry.autojoin is not None:
            if self.switched_on and self.node.nwk == NWK_UNASSIGNED:
                with suppress(HanotaError):  # no network lets it in now; the next try may
                    await self.join()
            await asyncio.sleep(self.entry.autojoin)

    async def stay_connected(self) -> None:
        """Keep an external device's process connected, for ever; raise ConfigError."""
        application = self.entry.application
        if isinstance(application, External) and isinstance(self.node, ExternalDevice):
            await self.node.hang(application.socket, listen=application.listen)

    def _tell(self, text: str) -> None:
        self._report(text)
        if self.console is not None:
            self.console(text)

    def _look_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        if self.node.joined:
            seen = f"on the HAN as {self.node.nwk:04X}"
        elif self.node.nwk == NWK_UNASSIGNED:
            seen = _OUTSIDE
        else:
            seen = "off the HAN"
        if seen != self._told:
            self._told = seen
            self._tell(seen)
