"""A HAN device whose application is a process of its own: somebody else's client of his firmware.

The radio is emulated here: joining, ZDO, APS, airtime, loss. The process sees and sends ZCL frames, on a
stream socket that hanota listens on or connects to (external_protocol.py).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from hanota.emulator.air import BROADCAST_ROUTERS, ApsFrame
from hanota.emulator.devices.key_establishment import DeviceKeyEstablishment
from hanota.emulator.emulation.external_protocol import (
    Cmd,
    Data,
    DataFlag,
    Event,
    MessageDecoder,
    decode_message,
    encode_message,
)
from hanota.emulator.emulation.sockets import connect, listening
from hanota.emulator.node import HanNode
from hanota.errors import HanotaError, RadioError, RemoteProtocolError
from hanota.zcl import ClusterId

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.emulator.emulation.external_protocol import Message
    from hanota.emulator.emulation.sockets import SocketAddress
    from hanota.emulator.node import NodeSettings
    from hanota.emulator.zdo import SimpleDescriptor
    from hanota.eui64 import Eui64
    from hanota.zse.cbke import CbkeCredentials


@dataclass(frozen=True, slots=True)
class ExternalSettings:
    """Limits of the connection to an external device."""

    read_octets: int = 4096
    """Octets taken from the socket at once."""
    unread_octets: int = 64 * 1024
    """Octets the process may leave unread; frames that come on top are lost, as in a real radio."""
    reconnect_delay: float = 0.5
    """Seconds before hanota connects again, doubled each time it fails."""
    reconnect_delay_limit: float = 10.0
    """The longest of those delays."""


class ExternalDevice(HanNode):
    """The radio of an external device; `hang` runs its connection.

    The process is one connection: a new one takes the place of the one before, which a machine that lost its
    power never closed.
    """

    def __init__(
        self,
        eui64: Eui64,
        *,
        install_code: bytes,
        endpoint: SimpleDescriptor,
        manufacturer_code: int,
        clock: Clock,
        cbke: CbkeCredentials | None = None,
        node_settings: NodeSettings | None = None,
        settings: ExternalSettings | None = None,
    ) -> None:
        super().__init__(
            eui64,
            install_code=install_code,
            endpoints=[endpoint],
            manufacturer_code=manufacturer_code,
            settings=node_settings,
        )
        self.external_settings = settings or ExternalSettings()
        self.dropped: Counter[str] = Counter()
        """Frames and messages not passed on, by reason."""
        self.notice: Callable[[str], None] = lambda _: None
        """Called with what the process tells (EVENT) and with what becomes of its connection."""
        self.key_establishment = DeviceKeyEstablishment(self, cbke, clock)
        # Looked up at each call: `notice` is assigned after the device was made.
        self.key_establishment.notice = lambda text: self.notice(text)  # noqa: PLW0108
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Tell whether the process is there."""
        return self._writer is not None

    async def hang(self, address: SocketAddress, *, listen: bool) -> None:
        """Keep the process connected, for ever; raise ConfigError where `address` cannot be listened on."""
        if listen:
            async with listening(address, self.serve):
                await asyncio.get_running_loop().create_future()
        settings = self.external_settings
        delay = settings.reconnect_delay
        while True:
            try:
                reader, writer = await connect(address)
            except OSError:
                delay = min(2 * delay, settings.reconnect_delay_limit)
            else:
                delay = settings.reconnect_delay
                await self.serve(reader, writer)
            await asyncio.sleep(delay)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take the process's messages until the connection ends.

        One DATA is on its way at a time; a process that sends faster than the air carries is read later.
        """
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        self.notice("its process connected")
        refused = 0
        decoder = MessageDecoder()
        try:
            while data := await reader.read(self.external_settings.read_octets):
                for octets in decoder.feed(data):
                    try:
                        await self._take(decode_message(octets))
                    except HanotaError as error:
                        refused += 1
                        self._refused(error, first=refused == 1)
        except ConnectionError:
            pass  # the other end is gone, however it went
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
                self.notice("its process disconnected" + (f"; {refused} messages refused" if refused else ""))

    def command(self, text: str) -> None:
        """Send the process a CMD; raise RadioError where it is not connected."""
        if self._writer is None:
            raise RadioError(f"the process of {self.eui64} is not connected")
        self._tell(Cmd(text))

    async def power_on(self) -> None:
        """Come up on the network, and establish the link key of a device that has credentials."""
        await super().power_on()
        if self.key_establishment.wanted:
            self.key_establishment.begin()

    def on_frame(self, frame: ApsFrame) -> None:
        """Pass an application frame from the air on to the process.

        Key establishment is the radio's own, and nothing encrypted is the process's before it has ended.
        """
        if self.key_establishment.credentials is not None:
            if frame.cluster == ClusterId.KEY_ESTABLISHMENT:
                self.key_establishment.receive(frame)
                return
            if frame.secured and self.key_establishment.wanted:
                self.dropped["before key establishment"] += 1
                return
        flags = DataFlag(0)
        if frame.secured:
            flags |= DataFlag.APS_ENCRYPTED
        if frame.ack:
            flags |= DataFlag.APS_ACK
        if frame.is_broadcast:
            flags |= DataFlag.BROADCAST
        self._tell(
            Data(
                flags,
                frame.source,
                frame.source_endpoint,
                frame.destination_endpoint,
                frame.profile,
                frame.cluster,
                frame.payload,
            )
        )

    def _tell(self, message: Message) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            self.dropped["no process"] += 1
        elif writer.transport.get_write_buffer_size() > self.external_settings.unread_octets:
            self.dropped["process does not read"] += 1
        else:
            writer.write(encode_message(message))

    def _refused(self, error: HanotaError, *, first: bool) -> None:
        """Count what was refused; tell the first of a connection, so that a flood does not fill the log."""
        self.dropped["refused"] += 1
        if first:
            self.notice(f"message refused: {error}")

    async def _take(self, message: Message) -> None:
        match message:
            case Data():
                await self._send(message)
            case Event(content):
                self.notice(f"event {json.dumps(content)}")
            case Cmd():
                raise RemoteProtocolError("CMD goes to the device, not from it")
            case _:
                assert_never(message)

    async def _send(self, data: Data) -> None:
        if not self.joined:
            self.dropped["not on the network"] += 1
            return
        broadcast = DataFlag.BROADCAST in data.flags
        encrypted = DataFlag.APS_ENCRYPTED in data.flags
        if encrypted and self.key_establishment.wanted:
            self.dropped["before key establishment"] += 1
            return
        if broadcast is not (data.peer >= BROADCAST_ROUTERS):
            raise RemoteProtocolError(f"broadcast flag {broadcast:d} for network address {data.peer:#06x}")
        if broadcast and encrypted:
            raise RemoteProtocolError("a broadcast cannot be APS encrypted")
        if all(endpoint.endpoint != data.source_endpoint for endpoint in self.endpoints):
            raise RemoteProtocolError(f"the device has no endpoint {data.source_endpoint}")
        await self.send(
            data.profile,
            data.cluster,
            data.source_endpoint,
            data.destination_endpoint,
            data.frame,
            destination=data.peer,
            encrypted=encrypted,
            ack=DataFlag.APS_ACK in data.flags,
        )
