"""Every field of every request at its extremes: a named status, never an exception, nothing left behind."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest

from hanota.eui64 import Eui64
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    OtaCommand,
    QueryDeviceSpecificFileRequest,
    QueryNextImageRequest,
    UpgradeEndRequest,
    decode_command,
    encode_command,
)
from hanota.ota.fields import ImageId
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation, SessionState
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import DefaultResponse, Status, ZclFrame
from tests.ota_support import FILE, HCALCS, IMAGE, NOW, PPMID, SIZE, STRANGER

U8 = (0, 1, 0x7F, 0xFF)
U16 = (0, 1, 0x7FFF, 0xFFFF)
U32 = (0, SIZE - 1, SIZE, 0x7FFF_FFFF, 0xFFFF_FFFF)
EUI64S = (None, PPMID, Eui64(bytes(8)), Eui64(b"\xff" * 8))
IMAGES = [
    ImageId(manufacturer, kind, version)
    for manufacturer in (0, IMAGE.manufacturer_code, 0xFFFF)
    for kind in (0, IMAGE.image_type, 0xFFFF)
    for version in (0, IMAGE.file_version, 0xFFFF_FFFF)
]

REQUESTS: dict[str, list[OtaCommand]] = {
    "query": [QueryNextImageRequest(*fields) for fields in itertools.product(IMAGES, (None, *U16))],
    "block": [
        ImageBlockRequest(*fields) for fields in itertools.product(IMAGES, U32, U8, EUI64S, (None, 0, 0xFFFF))
    ],
    "page": [
        ImagePageRequest(*fields)
        for fields in itertools.product(IMAGES, U32, (0, 1, 0xFF), (0, 1, 0xFFFF), (0, 0xFFFF), (None, PPMID))
    ],
    "upgrade end": [UpgradeEndRequest(*fields) for fields in itertools.product(range(256), (None, *IMAGES))],
    "device specific file": [
        QueryDeviceSpecificFileRequest(*fields)
        for fields in itertools.product((PPMID, HCALCS, Eui64(b"\xff" * 8)), IMAGES, U16)
    ],
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("device", [PPMID, STRANGER], ids=["offered", "stranger"])
def test_every_request_gets_one_answer_with_a_status_of_the_standard(kind: str, device: Eui64) -> None:
    server = OtaServer(OtaServerSettings(request_burst=10**6))
    for number, command in enumerate(REQUESTS[kind]):
        if number % 50 == 0 or server.state(PPMID) in (None, SessionState.FAILED):
            server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW)
            server.responses()
        server.receive(device, encode_command(command, number % 256), NOW)
        answers = server.responses()
        if isinstance(command, ImagePageRequest) and not answers:
            server.expire(NOW)
            answers = server.responses()
            assert 1 <= len(answers) <= server.settings.page_window
            server.withdraw(PPMID)
            server.offer(PPMID, FILE, Activation.IMMEDIATE, NOW)
            server.responses()
        else:
            assert len(answers) == 1
        for out in answers:
            frame = ZclFrame.decode(out.data)
            answer = (
                DefaultResponse.decode(frame.payload) if frame.is_default_response else decode_command(frame)
            )
            Status(getattr(answer, "status", Status.SUCCESS))
            if isinstance(answer, ImageBlockResponse):
                assert len(out.data) <= 17 + 48
        server.events()
        assert server.next_timer() is None or len(server._deadlines._heap) < 200


def test_attack_block_request_flood_of_6000_requests_leaves_memory_flat_and_others_served() -> None:
    server = OtaServer(OtaServerSettings(requests_per_second=50, request_burst=50))
    for device in (PPMID, HCALCS):
        server.offer(device, FILE, Activation.IMMEDIATE, NOW)
    flood = [
        encode_command(command, 1)
        for command in (
            ImageBlockRequest(IMAGE, 0, 48),
            ImagePageRequest(IMAGE, 0, 1, 0xFFFF, 0),
            QueryNextImageRequest(IMAGE),
            UpgradeEndRequest(Status.SUCCESS),
        )
    ]
    flood += [b"", b"\x11\x01\x03", b"\x10\x01\x01\x06", bytes.fromhex("18 01 0b 0381")]
    served, sizes = 0, []
    tracemalloc.start()
    for second in range(6):
        for millisecond in range(1000):
            now = NOW + second + millisecond / 1000
            server.receive(PPMID, flood[millisecond % len(flood)], now)
            if millisecond % 100 == 0:
                server.receive(HCALCS, encode_command(ImageBlockRequest(IMAGE, 48, 48), 1), now)
            server.expire(now)
            served += sum(out.device == HCALCS and out.bulk for out in server.responses())
            server.events()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert served == 60
    assert server.dropped > 0
    assert sizes[-1] <= sizes[1] * 1.2 + 20_000


@pytest.mark.parametrize("count", [1, 300])
def test_timers_of_many_sessions_come_in_order_and_cost_no_more_entries_than_sessions(count: int) -> None:
    server = OtaServer(OtaServerSettings(sessions=count, concurrent_transfers=count))
    devices = [Eui64(number.to_bytes(8, "big")) for number in range(count)]
    for device in devices:
        server.offer(device, FILE, Activation.IMMEDIATE, NOW)
    for second in range(60):
        for number, device in enumerate(devices):
            now = NOW + second + number / 1000
            server.receive(device, encode_command(ImageBlockRequest(IMAGE, 0, 48), 1), now)
            if second % 20 == 0:
                server.notify(device, now)
        server.responses()
        server.events()
        server.expire(NOW + second + 0.5)
    assert len(server._deadlines._heap) <= 5 * count + 64
    timers: list[float] = []
    while (at := server.next_timer()) is not None and len(timers) < 3 * count:
        server.expire(at)
        server.responses()
        server.events()
        timers.append(at)
    assert timers == sorted(timers)
    assert timers[0] >= NOW + 59
