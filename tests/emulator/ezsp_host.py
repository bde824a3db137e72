"""A host that speaks EZSP in octets to the emulated co-processor, and a device to talk to."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from hanota.emulator.air import Air
from hanota.emulator.ezsp.coordinator import EzspCoordinator
from hanota.emulator.line import Direction
from hanota.emulator.loop import run_virtual
from hanota.zse.install_code import install_code_key
from tests.emulator.ash_host import RST, AshHost
from tests.emulator.znp_support import DEVICE_ENDPOINT, HUB, HUB_ENDPOINT, INSTALL_CODE, OTA, ScriptedNode

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanota.emulator.ezsp.ncp import EzspSettings
    from hanota.emulator.ezsp.nvram import EzspNvram
    from hanota.eui64 import Eui64

SMART_ENERGY = 0x0109
RETRY, ENCRYPTION, FRAGMENT = 0x0040, 0x0020, 0x8000
INITIAL_SECURITY = struct.pack("<H16s16sB8s", 0x1B84, bytes(range(16, 32)), bytes(range(16)), 0, bytes(8))
PARAMETERS = struct.pack("<8sHbBBHBI", HUB.to_zigbee(), 0x8C54, 8, 15, 0, 0, 0, 1 << 15)
ADD_ENDPOINT = struct.pack("<BHHBBBHH", HUB_ENDPOINT, SMART_ENERGY, 0x0500, 0, 1, 1, OTA, OTA)


class Host:
    """Sends commands one by one and keeps everything that comes back."""

    def __init__(
        self,
        version: int = 13,
        *,
        nvram: EzspNvram | None = None,
        settings: EzspSettings | None = None,
        eui64: Eui64 = HUB,
    ) -> None:
        self.version = version
        self.air = Air(seed=1)
        self.ncp = EzspCoordinator(
            self.air, eui64=eui64, version=version, nvram=nvram, settings=settings, seed=1
        )
        self.ncp.line.open(self)
        self.device = ScriptedNode()
        self.ash = AshHost()
        self.callbacks: list[tuple[int, bytes]] = []
        self.controls: list[int] = []
        self._sequence = 0
        self._taken = 0

    @property
    def is_sl(self) -> bool:
        return self.version >= 14

    def status(self, ember: int, sl: int) -> bytes:
        """A status of a stack command in this version."""
        return sl.to_bytes(4, "little") if self.is_sl else bytes((ember,))

    @property
    def ok(self) -> bytes:
        return self.status(0, 0)

    def data_received(self, data: bytes) -> None:
        self.ash.receive(data, asyncio.get_running_loop().time())
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        raise AssertionError(exc)

    def flush(self) -> None:
        for octets in self.ash.take_output():
            self.ncp.line.write(Direction.TO_NCP, octets)

    async def reset(self) -> None:
        self.ncp.line.write(Direction.TO_NCP, RST)
        await asyncio.sleep(0.1)
        self._taken = 0
        self.ash.received.clear()

    async def command(self, frame_id: int, data: bytes = b"", *, wait: float = 0.1) -> bytes:
        """The response's parameters; callbacks that follow within `wait` seconds are in `callbacks`."""
        answer_id, answer = await self.frame(struct.pack("<BBH", 0, 1, frame_id) + data, wait=wait)
        assert answer_id == frame_id, f"{frame_id:#06x} answered by {answer_id:#06x} {answer.hex()}"
        return answer

    async def frame(self, after_sequence: bytes, *, wait: float = 0.1) -> tuple[int, bytes]:
        """Send a frame given without its sequence number; return id and parameters of its response."""
        self.callbacks.clear()
        self._sequence = (self._sequence + 1) & 0xFF
        self.ash.send(bytes((self._sequence,)) + after_sequence, asyncio.get_running_loop().time())
        self.flush()
        await asyncio.sleep(wait)
        answers = []
        for frame in self.ash.received[self._taken :]:
            sequence, control, upper, frame_id = struct.unpack_from("<BBBH", frame.ljust(5, b"\x00"))
            legacy = upper == 0
            if control & 0x18:
                self.callbacks.append((frame_id, frame[5:]))
            else:
                self.controls.append(control)
                assert sequence == self._sequence
                answers.append((0, frame[3:]) if legacy else (frame_id, frame[5:]))
        self._taken = len(self.ash.received)
        (answer,) = answers
        return answer

    def told(self, frame_id: int) -> list[bytes]:
        """The callbacks of one kind since the last command."""
        return [data for told, data in self.callbacks if told == frame_id]

    async def listen(self, seconds: float) -> None:
        """Wait, then sort what came; nop asks for nothing."""
        await asyncio.sleep(seconds)
        await self.command(0x0005)

    async def start(self) -> None:
        """Reset, agree on the version, register an endpoint, form or resume the network."""
        await self.reset()
        assert (await self.frame(bytes((0, 0, self.version))))[1][0] == self.version
        assert await self.command(0x0002, ADD_ENDPOINT) == self.ok
        if self.ncp.nvram.network is None:
            assert await self.command(0x0068, INITIAL_SECURITY) == self.ok
            assert await self.command(0x001E, PARAMETERS) == self.ok
        else:
            assert await self.command(0x0017, bytes(2)) == self.ok
        assert self.told(0x0019) == [self.status(0x90, 0x15)]

    async def open_window(self, policy: int = 0x11, seconds: int = 60) -> None:
        assert await self.command(0x0055, bytes((0, policy))) == self.ok
        assert await self.command(0x0022, bytes((seconds,))) == self.ok

    async def join(self) -> None:
        key = self.device.eui64.to_zigbee() + install_code_key(INSTALL_CODE)
        if self.version < 13:
            assert await self.command(0x00AF, key) == self.ok
        else:
            assert await self.command(0x0111, key + b"\x00") == bytes(4)
        await self.open_window()
        await self.device.join(self.air)
        await self.listen(0.1)

    def unicast(self, payload: bytes, *, options: int = RETRY, group: int = 0, sequence: int = 0) -> bytes:
        """The parameters of a sendUnicast to the device, tagged 7."""
        header = struct.pack(
            "<HHBBHHB", SMART_ENERGY, OTA, HUB_ENDPOINT, DEVICE_ENDPOINT, options, group, sequence
        )
        tag = struct.pack("<H" if self.is_sl else "<B", 7)
        return struct.pack("<BH", 0, self.device.nwk) + header + tag + bytes((len(payload),)) + payload

    async def send(self, payload: bytes, *, wait: float = 0.1, **fields: int) -> bytes:
        """The status of a sendUnicast to the device."""
        answer = await self.command(0x0034, self.unicast(payload, **fields), wait=wait)
        return answer[:-1]

    def incoming(self) -> list[tuple[int, int, bytes]]:
        """Options, group field and contents of each incomingMessageHandler since the last command."""
        heard = []
        for data in self.told(0x0045):
            options, group = struct.unpack_from("<HH", data, 7)
            heard.append((options, group, data[31 if self.is_sl else 19 :]))
        return heard


def play(
    scenario: Callable[[Host], Coroutine[None, None, None]],
    version: int = 13,
    *,
    settings: EzspSettings | None = None,
) -> None:
    """Run `scenario` on a started co-processor that a device has joined."""

    async def run() -> None:
        host = Host(version, settings=settings)
        await host.start()
        await host.join()
        await scenario(host)
        host.ncp.stop()

    run_virtual(run())
