"""200 requests a second of SR 11.2, for 100 devices on a line without a radio: what one costs; none is lost.

In virtual time, through the gateway and to the answer address as over HTTP. Documents are signed and verified
on both sides; the service user's part and the devices' are in the processor time too.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections import Counter
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.duis.certificates import SigningCertificates
from hanota.duis.request import ReadFirmwareVersion, RequestId
from hanota.duis.response import GbcsPayload, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.emulator.loop import run_virtual
from hanota.eui64 import Eui64
from hanota.gbcs.counters import CounterLog
from hanota.gbcs.crypto import protect
from hanota.gbcs.keystore import KeyStore
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import (
    ReadFirmwareVersionResponse,
    ReadResponseCode,
    decode_response,
    read_firmware_version_response,
)
from hanota.gbcs.verification import verify_command
from hanota.hub.jobs import JobKind
from hanota.hub.ports import DeviceLogEntry, DeviceType
from hanota.store.store import SqliteStore
from tests.api.service_user_support import ANSWER_URL, ServiceUserSide, delivering_to, gateway_app
from tests.hub_parties_support import BROKER, EPOCH, SUPPLIER, dcc_keys
from tests.hub_support import FakeDevice, lab

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response as HttpResponse

    from hanota.duis.response import Response
    from hanota.gbcs.certificates import Credentials
    from tests.benchmarks.conftest import Figures
    from tests.hub_support import Lab

RATE = 200
"""Requests a second."""
DEVICES = 100
SECONDS = 3.0
FEW = 10
"""Devices where each is to have many requests in little time."""
RATE_KEPT = 1.0
"""Seconds in which a response is to be there: longer, and ever more requests would wait."""
VERSION = bytes.fromhex("01000001")
ALIKE = 2
"""The second half may cost so much of the first: what grows with what was done before shows."""
KEPT = 1.1
"""The same of memory."""


class AnsweringDevice(FakeDevice):
    """A device that verifies each CS08 and answers it, as the emulated ones on the air do."""

    def __init__(self, lab: Lab, credentials: Credentials, keys: KeyStore) -> None:
        super().__init__(lab, credentials, JobKind.PPMID)
        self._keys, self._counters = keys, CounterLog()

    def take(self, cluster: int, data: bytes) -> None:
        super().take(cluster, data)
        while self.messages:
            command = verify_command(self.messages.pop(0), self.eui64, self._keys, self._counters)
            self.say(self._answer(command))

    def _answer(self, command: Message) -> Message:
        payload = ReadFirmwareVersionResponse(
            firmware_version=VERSION, response_code=ReadResponseCode.SUCCESS
        )
        return protect(
            read_firmware_version_response(command, payload),
            self.credentials.agreement_key,
            self._keys.agreement_public_key(BROKER.eui64),
        )


@dataclass
class Load:
    """What was asked and what came back."""

    asked: int = 0
    accepted: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    """How many responses came for each RequestID counter."""
    sent_at: dict[int, float] = field(default_factory=dict)
    longest: float = 0
    processor: list[float] = field(default_factory=list)
    """Seconds of processor time of each part."""
    memory: list[int] = field(default_factory=list)
    """Octets at the end of each part, where they are traced."""


class CountingSide(ServiceUserSide):
    """A service user that keeps no document, as one with a disk does not."""

    load: Load

    async def take(self, request: Request) -> HttpResponse:
        answer = await super().take(request)
        self._count()
        return answer

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        for response in self.received:
            assert response.response_code is ResponseCode.I0
            assert response.request_id is not None
            assert version_in(response) == VERSION
            counter = response.request_id.counter
            self.load.answered[counter] += 1
            self.load.longest = max(self.load.longest, now - self.load.sent_at.pop(counter))
        self.received.clear()
        self.documents.clear()


def version_in(response: Response) -> bytes:
    assert isinstance(response.body, ResponseMessage)
    assert isinstance(response.body.content, GbcsPayload)
    return decode_response(Message.decode(response.body.content.octets).payload).firmware_version


async def put_load(path: Path, parts: int, requests: int, devices: int = DEVICES) -> Load:
    """Put `parts` times so many requests for so many devices to a new hub."""
    ca = LabCa(EPOCH, seed=b"load")
    credentials = [ca.issue_device(Eui64(number.to_bytes(8))) for number in range(1, devices + 1)]
    users = ServiceUsers([ServiceUser(SUPPLIER.eui64, answer_url=ANSWER_URL)])
    keys = dcc_keys()
    store = SqliteStore(path)
    for device in credentials:
        keys.add_public(device)
        store.put_device(DeviceLogEntry(device.eui64, DeviceType.PPMID, bytes(16)))
    load = Load()
    async with AsyncExitStack() as stack:
        stack.enter_context(closing(store))
        made = await stack.enter_async_context(lab(store=store, users=users, keystore=keys))
        for device in credentials:
            own = KeyStore()
            own.add(device)
            own.add_public(BROKER)
            made.radio.devices[device.eui64] = AnsweringDevice(made, device, own)
            made.hub.device_joined(device.eui64)
            made.hub.device_ready(device.eui64)
        app, audited = gateway_app(made, SigningCertificates([SUPPLIER.signing_certificate]))
        side = CountingSide(made.clock, app, audited, SigningCertificates([BROKER.signing_certificate]))
        side.load, side.schema = load, None
        await stack.enter_async_context(delivering_to(side, made, users))
        await asyncio.sleep(10)
        for _ in range(parts):
            began = time.process_time()
            await ask(side, made, credentials, requests)
            load.processor.append(time.process_time() - began)
            if tracemalloc.is_tracing():
                gc.collect()
                load.memory.append(tracemalloc.get_traced_memory()[0])

    return load


async def ask(side: CountingSide, made: Lab, devices: list[Credentials], requests: int) -> None:
    """Send so many requests at the rate, and return when no more of them is answered."""
    loop = asyncio.get_running_loop()
    load, first, began = side.load, side.load.asked, loop.time()

    async def send(counter: int, device: Eui64) -> None:
        load.sent_at[counter] = loop.time()
        answer = await side.send(ReadFirmwareVersion(RequestId(SUPPLIER.eui64, device, counter)), "serviceS")
        assert answer.response_code is ResponseCode.I99
        load.accepted += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(requests):
            await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
            load.asked = first + number + 1
            tasks.create_task(send(load.asked, devices[load.asked % len(devices)].eui64))
            # What the tests' own lab keeps.
            for kept in (made.events, made.radio.sent, side.audited):
                kept.clear()
    await asyncio.sleep(30)


@pytest.mark.benchmark
def test_every_one_of_200_requests_a_second_is_answered_once(tmp_path: Path, figures: Figures) -> None:
    half = round(RATE * SECONDS / 2)
    load = run_virtual(put_load(tmp_path / "hub.db", 2, half))

    assert (load.asked, load.accepted) == (2 * half, 2 * half)
    assert load.answered == Counter(range(1, 2 * half + 1))
    assert load.longest < RATE_KEPT
    each = [seconds / half * 1000 for seconds in load.processor]
    figures(
        "SR 11.2, 200 requests a second, 100 devices",
        ["requests", "responses", "longest wait, s", "processor, ms a request", "in the second half"],
        [
            [
                str(load.asked),
                str(load.answered.total()),
                f"{load.longest:.2f}",
                f"{each[0]:.1f}",
                f"{each[1]:.1f}",
            ]
        ],
    )
    assert each[1] < ALIKE * each[0]


@pytest.mark.benchmark
def test_memory_does_not_grow_with_the_requests_that_were_answered(tmp_path: Path, figures: Figures) -> None:
    tracemalloc.start()
    try:
        # A tunnel keeps the last 16 messages of each direction: the first part fills that.
        load = run_virtual(put_load(tmp_path / "hub.db", 3, 20 * FEW, FEW))
    finally:
        tracemalloc.stop()

    _, first, second = load.memory
    figures(
        f"Memory, SR 11.2, {FEW} devices",
        ["requests", "at two thirds, kB", "at the end, kB"],
        [[str(load.asked), str(first // 1000), str(second // 1000)]],
    )
    assert second < KEPT * first
