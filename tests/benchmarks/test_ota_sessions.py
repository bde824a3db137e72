"""What one device costs the sans-IO Upgrade Server, from one session to a thousand, as ratios."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from hanota.eui64 import Eui64
from hanota.ota.build import build_ppmid_image
from hanota.ota.commands import ImageBlockRequest, encode_command
from hanota.ota.header import OtaHeader
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation
from hanota.ota.settings import OtaServerSettings

NOW = 1_790_000_000.0
FILE = build_ppmid_image(OtaHeader(0x121D, 0x0084, 2), bytes(200_000))
BLOCKS = 20_000
MULTIPLE = 3
"""The heap grows by its logarithm and caches get colder; ten times would be one look at every session."""


def per_block(sessions: int) -> tuple[float, float]:
    """Return seconds of processor time for a block, timers included, and octets of memory for a session."""
    settings = OtaServerSettings(sessions=sessions, concurrent_transfers=sessions)
    devices = [Eui64(number.to_bytes(8, "big")) for number in range(sessions)]
    tracemalloc.start()
    server = OtaServer(settings)
    for device in devices:
        server.offer(device, FILE, Activation.IMMEDIATE, NOW)
    server.responses()
    server.events()
    memory = tracemalloc.get_traced_memory()[0] / sessions
    tracemalloc.stop()
    image = FILE.header.image_id
    frames = [encode_command(ImageBlockRequest(image, 48 * n, 48), n % 256) for n in range(4000)]
    began = time.process_time()
    for number in range(BLOCKS):
        now = NOW + number / 50
        server.receive(devices[number % sessions], frames[number // sessions % len(frames)], now)
        server.responses()
        server.events()
        server.expire(now)
        server.next_timer()
    return (time.process_time() - began) / BLOCKS, memory


@pytest.mark.benchmark
def test_a_device_costs_the_same_among_a_thousand(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(sessions, *per_block(sessions)) for sessions in (1, 10, 100, 1000)]
    with capsys.disabled():
        print("\n\nsessions  processor/block  octets/session")
        for sessions, work, memory in rows:
            print(f"{sessions:8}  {work * 1e6:12.1f} us  {memory:14.0f}")
    assert rows[-1][1] < MULTIPLE * rows[0][1]
    assert rows[-1][2] < MULTIPLE * rows[1][2]
