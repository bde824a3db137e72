"""Messages that do not fit one MT frame: stored in the coordinator, or fetched from it, in parts.

Source: Z-Stack Monitor and Test API (SWRA198) 3.1.1.8, 3.1.1.9 and 3.1.2.3 (AF_DATA_STORE, AF_DATA_RETRIEVE,
AF_INCOMING_MSG_EXT).
"""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import zigpy_znp.commands as c
import zigpy_znp.types as t
from zigpy_znp.api import ZNP
from zigpy_znp.exceptions import InvalidCommandResponse

from hanota.radio.znp.data import AF_DATA_CONFIRM, AF_DATA_REQUEST_EXT_RESPONSE, AF_INCOMING_MSG, MtProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from zigpy_znp.frames import GeneralFrame

    from hanota.zse.fragmentation import FragmentationSettings

logger = logging.getLogger(__name__)

LARGEST_REQUEST: Final = 220
"""Octets of an ASDU that go with the request: an MT frame has 250, AF_DATA_REQUEST_EXT 20 of header."""
PART: Final = 240
"""Octets stored or fetched at a time: an MT frame less the header of either command."""
_INCOMING: Final = struct.Struct("<HHBH6xBHBBBBIBH")
"""AF_INCOMING_MSG_EXT up to the length."""


class AnnouncedBytes(t.LongBytes):  # type: ignore[misc]  # zigpy-znp is published without types
    """Data of which the request carries the length alone."""

    def serialize(self) -> bytes:
        """Return the length."""
        return len(self).to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class Announcement:
    """An AF_INCOMING_MSG_EXT: a message, or word of one that waits in the coordinator."""

    group: int
    cluster: int
    source: int
    source_endpoint: int
    endpoint: int
    broadcast: bool
    lqi: int
    secured: bool
    stamp: int
    """By which the coordinator finds the message."""
    sequence: int
    length: int
    inline: bytes
    """The message, where it is short."""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read one; raise struct.error when it is too short."""
        values = _INCOMING.unpack_from(data)
        group, cluster, _, source, source_endpoint, _, endpoint, broadcast, lqi, secured, *rest = values
        stamp, sequence, length = rest
        tail = data[_INCOMING.size :]
        return cls(
            group=group,
            cluster=cluster,
            source=source,
            source_endpoint=source_endpoint,
            endpoint=endpoint,
            broadcast=bool(broadcast),
            lqi=lqi,
            secured=bool(secured),
            stamp=stamp,
            sequence=sequence,
            length=length,
            inline=tail[:length] if len(tail) >= length else b"",
        )

    def with_data(self, data: bytes) -> Any:
        """Return the AF_INCOMING_MSG that the coordinator would have sent, had it fitted."""
        return c.AF.IncomingMsg.Callback(
            GroupId=self.group,
            ClusterId=self.cluster,
            SrcAddr=self.source,
            SrcEndpoint=self.source_endpoint,
            DstEndpoint=self.endpoint,
            WasBroadcast=t.Bool(self.broadcast),
            LQI=self.lqi,
            SecurityUse=t.Bool(self.secured),
            TimeStamp=self.stamp,
            TSN=self.sequence,
            Data=t.LongBytes(data),
            MacSrcAddr=self.source,
            MsgResultRadius=0,
        )


class HugeZnp(ZNP):  # type: ignore[misc]  # zigpy-znp is published without types
    """A ZNP connection that also carries messages of more than one MT frame."""

    def __init__(
        self,
        config: dict[str, Any],
        *,
        limits: FragmentationSettings,
        received: Callable[[Any], None],
        refused: Callable[[int, int, str], None],
        arrived: Callable[[bytes], bool],
    ) -> None:
        """`received` takes an AF.IncomingMsg; `refused` hears short address, cluster and reason of a drop."""
        super().__init__(config)
        self._arrived = arrived
        self._answered: asyncio.Future[int] | None = None
        self._confirmed: dict[int, asyncio.Future[int]] = {}
        self._limits, self._received, self._refused = limits, received, refused
        self._storing = asyncio.Lock()
        self._fetching: set[asyncio.Task[None]] = set()

    async def connect(self, *, test_port: bool = True) -> None:
        """Open the port."""
        await super().connect(test_port=test_port)
        self._uart: Any = MtProtocol.in_place_of(self._uart, self._taken)

    async def send_data(self, frame: bytes, sequence: int) -> tuple[int, bool]:
        """Send an AF_DATA_REQUEST_EXT; return a status, and whether it is that of its confirmation."""
        loop = asyncio.get_running_loop()
        confirmed = self._confirmed[sequence] = loop.create_future()
        try:
            # Private: in it zigpy-znp keeps to one command at a time; behind all others, as its own messages.
            async with self._sync_request_lock(priority=-1):
                answered = self._answered = loop.create_future()
                try:
                    self._uart.write(frame)
                    status = await answered
                finally:
                    self._answered = None
            if status:
                return status, False
            return await confirmed, True
        finally:
            del self._confirmed[sequence]

    def _taken(self, command: int, body: bytes) -> bool:
        if command == AF_INCOMING_MSG:
            return self._arrived(body)
        if command == AF_DATA_CONFIRM and len(body) == 3:
            waiting = self._confirmed.get(body[2])
        elif command == AF_DATA_REQUEST_EXT_RESPONSE and len(body) == 1:
            waiting = self._answered
        else:
            return False
        if waiting is None:
            return False
        if not waiting.done():
            waiting.set_result(body[0])
        return True

    async def send_huge(self, request: Any) -> None:
        """Send a DataRequestExt whose data go in parts, and wait for its confirmation.

        Raise InvalidCommandResponse with the status of whatever failed. Z-Stack keeps one such message at a
        time; the others wait.
        """
        data = bytes(request.Data)
        confirmation = c.AF.DataConfirm.Callback(partial=True, TSN=request.TSN)
        confirmed, listener = self.wait_for_responses([confirmation], context=True)
        try:
            async with self._storing:
                announcement = request.replace(Data=AnnouncedBytes(data))
                await self.request(announcement, RspStatus=t.Status.SUCCESS)
                for start in range(0, len(data), PART):
                    await self._store(start, data[start : start + PART])
                await self._store(0, b"")  # nothing more: Z-Stack sends it
            response = await confirmed
        finally:
            self.remove_listener(listener)
        if response.Status != t.Status.SUCCESS:
            raise InvalidCommandResponse(f"Unsuccessful request status code: {response.Status!r}", response)

    def frame_received(self, frame: GeneralFrame) -> bool | None:
        """Fetch what AF_INCOMING_MSG_EXT announces, which zigpy-znp cannot parse."""
        if frame.header != c.AF.IncomingMsgExt.Callback.header:
            handled: bool | None = super().frame_received(frame)
            return handled
        try:
            announcement = Announcement.decode(bytes(frame.data))
        except struct.error:
            logger.warning("the coordinator sent a malformed AF_INCOMING_MSG_EXT")
            return False
        if len(self._fetching) >= self._limits.messages:
            self._refused(announcement.source, announcement.cluster, "too many long messages at once")
            return True
        task = asyncio.get_running_loop().create_task(self._fetch(announcement))
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)
        return True

    async def disconnect(self) -> None:
        """Close the connection."""
        for task in self._fetching:
            task.cancel()
        await super().disconnect()

    async def _store(self, index: int, part: bytes) -> None:
        command = c.AF.DataStore.Req(Index=index, Data=t.ShortBytes(part))
        await self.request(command, RspStatus=t.Status.SUCCESS)

    async def _fetch(self, message: Announcement) -> None:
        data = message.inline
        if message.length > self._limits.octets:
            self._refused(message.source, message.cluster, f"longer than {self._limits.octets} octets")
        try:
            if len(data) < message.length:
                data = await self._retrieve(message.stamp, message.length)
        except Exception as error:  # noqa: BLE001  # zigpy-znp raises whatever it likes; the message is lost
            self._refused(message.source, message.cluster, f"not fetched from the coordinator: {error!r}")
            return
        if len(data) == message.length:
            self._received(message.with_data(data))

    async def _retrieve(self, stamp: int, length: int) -> bytes:
        """Fetch a message, then free it; what is too long is freed unread."""
        data = b""
        wanted = length if length <= self._limits.octets else 0
        for start in range(0, wanted, PART):
            data += await self._retrieve_part(stamp, start, min(PART, length - start))
        await self._retrieve_part(stamp, 0, 0)
        return data

    async def _retrieve_part(self, stamp: int, index: int, length: int) -> bytes:
        command = c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=index, Length=length)
        return bytes((await self.request(command, RspStatus=t.Status.SUCCESS)).Data)
