"""What zigpy's stock applications on emulated coordinators have in common: they keep what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from zigpy.application import ControllerApplication

if TYPE_CHECKING:
    from collections.abc import Callable

    import zigpy.types as t


class Recording(ControllerApplication):  # type: ignore[misc]  # zigpy comes without types
    """Goes before a stock application among the bases: only what that is told is kept."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.packets: list[t.ZigbeePacket] = []
        self.tap: Callable[[t.ZigbeePacket], None] | None = None
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.joined: list[str] = []
        self.left: list[str] = []
        self.interviewed: set[str] = set()
        self.add_listener(_Listener(self))

    def packet_received(self, packet: t.ZigbeePacket) -> None:
        if packet.src_ep:
            self.packets.append(packet)
            if self.tap is not None:
                self.tap(packet)
        super().packet_received(packet)

    def connection_lost(self, exc: BaseException | None = None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)


class _Listener:
    def __init__(self, application: Recording) -> None:
        self._application = application

    def device_joined(self, device: Any) -> None:
        self._application.joined.append(str(device.ieee))

    def device_left(self, device: Any) -> None:
        self._application.left.append(str(device.ieee))

    def device_initialized(self, device: Any) -> None:
        self._application.interviewed.add(str(device.ieee))
