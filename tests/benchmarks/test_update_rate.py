"""How fast an update goes: octets a second of the modelled link, and the processor's work for a block.

Rates are in virtual time and therefore the same on every machine. The ceiling is what line and air alone
allow with one block under way, as clients ask; the rest is what zigpy-znp and the hub add.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from hanota.demo.parties import PPMID
from hanota.emulator.airtime import AirSettings
from hanota.emulator.line import BITS_PER_OCTET, LineSettings
from hanota.emulator.loop import run_virtual
from hanota.hub.events import EventKind
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.client_events import DownloadComplete
from hanota.ota.fields import ImageId
from hanota.ota.server import OtaServer
from hanota.ota.session import Activation
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import Status
from tests.simulation.update_support import EPOCH, OLD, firmware, lab_parties, supplier_key, update_bench

SIZE = 12_000
BLOCK_REQUEST = 19
"""Octets of ZCL frame: header 3, payload 14, minimum block period 2."""
BLOCK_OVERHEAD = 17
"""Octets of an Image Block Response beside its data: ZCL header 3, payload 14."""
UNPI = 5
"""Octets around MT data: start, length, command, checksum."""
INCOMING_MSG = 20
DATA_REQUEST_EXT = 20
"""Octets of these MT commands beside the ZCL frame."""

MULTIPLE = 100
"""Four times what is usual: something has begun to cost with every block what it should cost once."""

SECURED = AirSettings()
PLAIN = AirSettings(aps_security_octets=0)
"""The same air if APS encryption cost nothing."""


def ceiling(block: int, line: LineSettings, air: AirSettings) -> float:
    """Octets a second of one client with one block under way, and a host that answers in no time."""
    backoff = ((1 << air.backoff_exponent) - 1) / 2

    def airtime(psdu: int) -> float:
        return air.airtime(psdu, 0, acknowledged=True) + backoff * air.backoff_period

    def wire(octets: int) -> float:
        return (octets + UNPI) * BITS_PER_OCTET / line.baudrate

    request = sum(airtime(psdu) for psdu in air.frames(BLOCK_REQUEST, secured=True))
    response = [airtime(psdu) for psdu in air.frames(BLOCK_OVERHEAD + block, secured=True)]
    aps_ack = airtime(air.header_octets + air.aps_security_octets)
    host = wire(INCOMING_MSG + BLOCK_REQUEST) + wire(DATA_REQUEST_EXT + BLOCK_OVERHEAD + block)
    # While the octets pass the line, the air carries the APS acknowledgement of the request.
    return block / (request + max(host, aps_ack) + sum(response) + len(response) * aps_ack)


def measured(block: int, line: LineSettings, air: AirSettings) -> tuple[float, float]:
    """Return octets a second and seconds of processor time for a block."""

    async def main() -> tuple[float, float]:
        settings = HubSettings(ota=OtaServerSettings(block_size=block))
        async with update_bench(hcalcses=0, size=SIZE, settings=settings, line=line, air=air) as b:
            began = time.process_time()
            b.update(JobKind.PPMID)
            await b.until(lambda: b.seen(EventKind.UPGRADE_END, PPMID))
            work = time.process_time() - began
            rate = b.seen(EventKind.UPGRADE_END, PPMID)[0].detail["rate"]
            await b.until_state(PPMID, "activated")
            await asyncio.sleep(1)
            assert isinstance(rate, float)
            return rate, work / (SIZE / block)

    return run_virtual(main())


def bare_loop(block: int) -> float:
    """Seconds of processor time for a block, Upgrade Server and Upgrade Client with nothing between them."""
    file = firmware(JobKind.PPMID, supplier_key(lab_parties((PPMID,))), size=SIZE)
    image = file.header.image_id
    running = ImageId(image.manufacturer_code, image.image_type, int.from_bytes(OLD, "big"))
    server = OtaServer(OtaServerSettings(block_size=block))
    client = OtaClient(ClientIdentity(running, 1), lambda _: Status.SUCCESS)
    began = time.process_time()
    server.offer(PPMID, file, Activation.IMMEDIATE, EPOCH)
    told: list[object] = []
    while not any(isinstance(event, DownloadComplete) for event in told):
        for frame in server.responses():
            client.receive(frame.data, EPOCH)
        for request in client.requests():
            server.receive(PPMID, request, EPOCH)
        told += client.events()
        server.events()
    return (time.process_time() - began) / (SIZE / block)


@pytest.mark.benchmark
def test_an_update_goes_at_nine_tenths_of_what_line_and_air_allow(capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for baudrate in (115_200, 460_800):
        line = LineSettings(baudrate=baudrate)
        for name, air in (("yes", SECURED), ("no", PLAIN)):
            for block in (48, 56, 63):
                allowed = ceiling(block, line, air)
                rate, work = measured(block, line, air)
                rows.append((baudrate, name, block, rate, allowed, rate / allowed, work))
    with capsys.disabled():
        print("\n\nbaud rate  APS encryption  block  octets/s  ceiling  ratio  processor/block")
        for baudrate, name, block, rate, allowed, ratio, work in rows:
            print(
                f"{baudrate:9}  {name:>14}  {block:5}  {rate:8.0f}  {allowed:7.0f}  {ratio:5.2f}  "
                f"{1000 * work:12.2f} ms"
            )
    for baudrate, name, block, *_, ratio, _ in rows:
        assert 0.9 <= ratio <= 1.02, f"block {block}, {baudrate} baud, APS encryption {name}"


@pytest.mark.benchmark
def test_a_block_costs_no_more_than_some_dozens_of_bare_exchanges_of_server_and_client(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Hub, radio library, emulated dongle, air and device together; both sides run on the same machine."""
    bare = min(bare_loop(48) for _ in range(3))
    whole = min(measured(48, LineSettings(), SECURED)[1] for _ in range(2))
    with capsys.disabled():
        print(
            f"\n\na block through everything: {1000 * whole:.2f} ms of processor time, "
            f"{whole / bare:.0f} times server and client alone ({1e6 * bare:.0f} us)"
        )
    assert whole < MULTIPLE * bare
