"""External devices: a process of somebody else's on the emulated air."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Admission, ApsFrame
from hanota.emulator.emulation.external import ExternalDevice, ExternalSettings
from hanota.emulator.emulation.external_protocol import (
    Cmd,
    Data,
    DataFlag,
    Event,
    Message,
    MessageDecoder,
    decode_message,
    encode_message,
)
from hanota.emulator.emulation.sockets import UnixAddress, connect
from hanota.errors import ConfigError, RadioError
from hanota.eui64 import Eui64
from hanota.gbcs.reference_test_data import HUB
from tests.emulator.emulate_support import Told, living, make_han

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.emulation.han import Han

DEVICE = Eui64.parse("00-DB-12-34-56-78-90-A6")
FRAME = b"\x11\x01\x00"


def toml(socket: str, more: str = "") -> str:
    return f"""
        [[device]]
        kind = "external"
        eui64 = "{DEVICE}"
        socket = "{socket}"
        autojoin = 0.2
        {more}
    """


def external(han: Han) -> ExternalDevice:
    node = han.members[DEVICE].node
    assert isinstance(node, ExternalDevice)
    return node


class Process:
    """The other end of the socket, in this process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._decoder = MessageDecoder()
        self._received: list[bytes] = []

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.writer.write(encode_message(message))

    async def hears(self) -> Message:
        """Return the next message, None when the connection ended."""
        async with asyncio.timeout(5):
            while not self._received:
                data = await self.reader.read(4096)
                assert data, "the connection ended"
                self._received += self._decoder.feed(data)
        return decode_message(self._received.pop(0))


@asynccontextmanager
async def process(path: Path) -> AsyncIterator[Process]:
    """Connect to the socket hanota listens on, as soon as it does."""
    async with asyncio.timeout(5):
        reader, writer = await as_soon_as_possible(path)
    try:
        yield Process(reader, writer)
    finally:
        writer.close()


async def as_soon_as_possible(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await connect(UnixAddress(path))
        except OSError:
            await asyncio.sleep(0.01)


def frame_to_device(payload: bytes = FRAME) -> ApsFrame:
    return ApsFrame(0x0000, 0x1234, 3, 1, 0x0109, 0x0019, payload, link_key=bytes(16), ack=True)


async def test_what_the_process_tells_is_logged_and_what_it_is_told_arrives(tmp_path: Path) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    async with living(han) as control, process(tmp_path / "device.sock") as device:
        await told.until("its process connected", DEVICE)
        device.say(Event({"percent": 50}))
        await told.until('event {"percent": 50}', DEVICE)
        answer = await control.execute({"command": "cmd", "device": str(DEVICE), "text": "identify"})
        assert answer == {"ok": True}
        assert await device.hears() == Cmd("identify")


async def test_a_frame_from_the_air_reaches_the_process_with_all_its_fields(tmp_path: Path) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    async with living(han), process(tmp_path / "device.sock") as device:
        await told.until("its process connected")
        external(han).on_frame(frame_to_device())
        secured = DataFlag.APS_ENCRYPTED | DataFlag.APS_ACK
        assert await device.hears() == Data(secured, 0x0000, 3, 1, 0x0109, 0x0019, FRAME)
        external(han).on_frame(ApsFrame(0x0000, 0xFFFD, 3, 0xFF, 0x0109, 0x0019, FRAME))
        assert await device.hears() == Data(DataFlag.BROADCAST, 0x0000, 3, 0xFF, 0x0109, 0x0019, FRAME)


async def test_malformed_messages_are_counted_the_first_is_told_and_the_connection_goes_on(
    tmp_path: Path,
) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    async with living(han):
        async with process(tmp_path / "device.sock") as device:
            for _ in range(1000):
                device.writer.write(b"\x00\x01\x77")
            device.say(Cmd("not for hanota"), Event("alive"))
            await told.until('event "alive"')
        await told.until("disconnected; 1001 messages refused")
    assert external(han).dropped["refused"] == 1001
    assert sum("message refused" in line for _, line in told.lines) == 1


async def test_frames_a_device_may_not_send_are_refused_and_those_before_it_joins_dropped(
    tmp_path: Path,
) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    device = external(han)
    async with living(han), process(tmp_path / "device.sock") as client:
        client.say(Data(DataFlag(0), 0, 1, 3, 0x0109, 0x0019, FRAME), Event("first"))
        await told.until("first")
        assert device.dropped == {"not on the network": 1}
        device.commission(han.air, Admission(0x1234, HUB, bytes(16)))
        await device.power_on()
        sent: list[ApsFrame] = []
        han.air.observe = lambda _at, frame, _status: sent.append(frame)
        for data in (
            Data(DataFlag(0), 0, 9, 3, 0x0109, 0x0019, FRAME),
            Data(DataFlag(0), 0xFFFD, 1, 3, 0x0109, 0x0019, FRAME),
            Data(DataFlag.BROADCAST, 0x0000, 1, 3, 0x0109, 0x0019, FRAME),
            Data(DataFlag.BROADCAST | DataFlag.APS_ENCRYPTED, 0xFFFD, 1, 3, 0x0109, 0x0019, FRAME),
            Data(DataFlag(0), 0, 1, 3, 0x0109, 0x0019, bytes(2000)),
        ):
            client.say(data)
        client.say(Event("second"))
        await told.until("second")
        assert device.dropped["refused"] == 5
        assert not sent


async def test_a_process_that_does_not_read_loses_frames_not_memory(tmp_path: Path) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    device = external(han)
    device.external_settings = ExternalSettings(unread_octets=10_000)
    async with living(han), process(tmp_path / "device.sock"):
        await told.until("its process connected")
        for _ in range(10_000):
            device.on_frame(frame_to_device(bytes(200)))
        assert device.dropped["process does not read"] > 5_000


async def test_hanota_connects_where_the_device_listens_and_again_after_it_restarted(tmp_path: Path) -> None:
    told = Told()
    connections: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.put_nowait(writer)

    han = make_han(toml("unix:device.sock", "listen = false"), tmp_path, told=told)
    external(han).external_settings = ExternalSettings(reconnect_delay=0.05, reconnect_delay_limit=0.1)
    async with living(han):
        await asyncio.sleep(0.2)  # nobody listens yet
        assert not told.has("connected")
        server = await asyncio.start_unix_server(accept, tmp_path / "device.sock")
        async with asyncio.timeout(5):
            for _ in range(2):
                (await connections.get()).close()
            last = await connections.get()
        last.write(encode_message(Cmd("")))
        server.close()
    last.close()
    assert sum(line == "its process connected" for _, line in told.lines) == 3


async def test_a_new_connection_takes_the_place_of_one_that_was_never_closed(tmp_path: Path) -> None:
    told = Told()
    han = make_han(toml("unix:device.sock"), tmp_path, told=told)
    async with living(han), process(tmp_path / "device.sock") as old:
        await told.until("its process connected")
        async with process(tmp_path / "device.sock") as new:
            assert await old.reader.read() == b""
            new.say(Event("new"))
            await told.until('event "new"')
            assert external(han).connected
            external(han).command("hello")
            assert await new.hears() == Cmd("hello")


async def test_a_socket_that_cannot_be_listened_on_ends_the_emulation(tmp_path: Path) -> None:
    (tmp_path / "device.sock").write_text("a file of the user's")
    han = make_han(toml("unix:device.sock"), tmp_path)
    with pytest.raises(ConfigError, match="is there already and is no socket"):
        await han.run()
    assert (tmp_path / "device.sock").read_text() == "a file of the user's"


async def test_a_process_that_is_not_there_cannot_be_told(tmp_path: Path) -> None:
    han = make_han(toml("unix:device.sock"), tmp_path)
    with pytest.raises(RadioError, match="not connected"):
        external(han).command("hello")
    external(han).on_frame(frame_to_device())
    assert external(han).dropped == {"no process": 1}
