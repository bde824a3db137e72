"""Images that are broken, forged or for another device: each ends in its named outcome, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanota.dcc.errors import RequestRejectedError
from hanota.demo.plan import MANUFACTURER
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.hub import HubSettings
from hanota.hub.jobs import JobKind
from hanota.ota.client_events import DownloadComplete
from hanota.ota.fields import ImageId
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.ota.settings import OtaServerSettings
from hanota.zcl import ClusterId
from tests.radio_dongles import FAMILIES
from tests.simulation.update_support import (
    NEW,
    OLD,
    SIZE,
    STRANGER,
    firmware,
    header,
    supplier_key,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.demo.bench import Bench
    from hanota.emulator.air import ApsFrame
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

PUBLISHED_DEVICES = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}
OTHER = {JobKind.PPMID: JobKind.HCALCS, JobKind.HCALCS: JobKind.PPMID}


def resized(octets: bytes, total: int) -> bytes:
    """Write another Total Image Size into an OTA Header."""
    return octets[:52] + total.to_bytes(4, "little") + octets[56:]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda image: image[:0], "truncated"),
    "cut within its header": (lambda image: image[:40], "truncated"),
    "a header without an image": (lambda image: resized(image[:60], 60), "no Manufacturer Image"),
    "truncated by one octet": (lambda image: image[:-1], "truncated image"),
    "one octet too many": (lambda image: image + b"\x00", "1 octets after the end"),
    "larger than an image may be": (
        lambda image: resized(image, 2**32 - 1),
        "oversized image: 4294967295 octets",
    ),
    "wrong magic": (lambda image: b"\xff" + image[1:], "not an OTA upgrade image"),
    "header longer than the file": (lambda image: image[:6] + b"\xff\xff" + image[8:], "header"),
    "header shorter than its fields": (lambda image: image[:6] + b"\x10\x00" + image[8:], "header"),
    "total smaller than the header": (lambda image: resized(image, 10), "wrong total image size 10"),
}


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_image_is_refused_by_name_and_no_device_hears_of_it(kind: JobKind, fault: str) -> None:
    spoil, reason = BROKEN[fault]

    async def main() -> None:
        async with update_bench() as b:
            frames = b.overhear()
            with pytest.raises(RequestRejectedError, match=reason):
                b.update(kind, image=spoil(b.files[kind].data))
            (rejected,) = b.seen(EventKind.REQUEST_REJECTED)
            assert reason in str(rejected.detail["reason"])
            assert b.seen(EventKind.JOB_STATE) == []
            await b.still_serves(PUBLISHED_DEVICES[OTHER[kind]])
            spared = b.device(PUBLISHED_DEVICES[kind]).nwk
            assert not [f for f in frames if f.cluster == ClusterId.OTA_UPGRADE and f.destination == spared]

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_ppmids_image_is_refused_at_11_1_because_it_ends_without_a_suppliers_signature(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            image = firmware(JobKind.PPMID, supplier_key(b.assembly.parties), seed=2).data
            with pytest.raises(RequestRejectedError, match="bad signature block"):
                b.update(JobKind.HCALCS, image=image)
            await b.still_serves(HCALCS)

    run_virtual(main())


def test_a_device_of_the_wrong_kind_or_of_no_kind_gets_nothing() -> None:
    async def main() -> None:
        async with update_bench() as b:
            with pytest.raises(RequestRejectedError, match="unknown or of another type"):
                b.update(JobKind.PPMID, devices=[HCALCS, STRANGER])
            # One that is eligible is served, and the service user is told of the others.
            b.update(JobKind.PPMID, devices=[PPMID, HCALCS, STRANGER])
            (acknowledged,) = b.seen(EventKind.REQUEST_ACKNOWLEDGED)
            assert acknowledged.detail["invalid"] == [str(HCALCS), str(STRANGER)]
            await b.until_state(PPMID, "activated")
            assert b.states(HCALCS) == []

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_arbitrary_installation_an_image_signed_by_anyone_else_is_refused_by_the_hcalcs(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            forged = firmware(JobKind.HCALCS, ec.generate_private_key(ec.SECP256R1()))
            await refused_by_the_hcalcs(b, forged.data)

    run_virtual(main())


@pytest.mark.parametrize(
    "position", [60, 60 + SIZE // 2, 60 + SIZE - 1, -64, -1], ids=["first", "middle", "last", "r", "s"]
)
def test_attack_tampered_image_one_altered_octet_is_refused_by_the_hcalcs(position: int) -> None:
    async def main() -> None:
        async with update_bench() as b:
            image = bytearray(b.files[JobKind.HCALCS].data)
            image[position] ^= 0x01
            await refused_by_the_hcalcs(b, bytes(image))

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_attack_tampered_image_a_block_altered_in_flight_is_refused_by_the_hcalcs(dongle: Dongle) -> None:
    async def main() -> None:
        async with update_bench(dongle) as b:
            block = b.files[JobKind.HCALCS].data[488:496]  # within one block, of 48 or of 56 octets

            def alter(frame: ApsFrame) -> list[ApsFrame]:
                altered = block[:-1] + bytes((block[-1] ^ 0x80,))
                return [replace(frame, payload=frame.payload.replace(block, altered))]

            b.bench.air.intercept = alter
            b.update(JobKind.HCALCS)
            await b.until_state(HCALCS, "invalid_image")
            assert b.hcalcs.held is None
            b.bench.air.intercept = None
            await b.still_serves(HCALCS)

    run_virtual(main())


async def refused_by_the_hcalcs(b: UpdateBench, image: bytes) -> None:
    """The device takes every octet, twice, says INVALID_IMAGE, keeps nothing; then 8F89 code 3 is told."""
    b.update(JobKind.HCALCS, image=image)
    await b.until_state(HCALCS, "invalid_image")
    assert len(b.seen(EventKind.UPGRADE_END, HCALCS, status="INVALID_IMAGE")) == 2
    assert b.transfer_alerts(HCALCS) == [("8F89", "file_transfer_failure")]
    assert b.hcalcs.held is None
    assert not [event for event in b.hcalcs.log if isinstance(event, DownloadComplete)]
    # CS06 for it finds nothing to activate.
    response = await b.activate(HCALCS)
    (answer,) = b.seen(EventKind.RESPONSE_RETURNED, HCALCS)
    assert answer.detail["outcome"] == "no_image_held"
    assert response.originator == HCALCS
    assert b.hcalcs.firmware_version == OLD
    await b.still_serves(PPMID)
    await b.still_serves(HCALCS)


OTHER_IDENTITIES: dict[str, tuple[Callable[[ImageId], ImageId], str]] = {
    "another manufacturer": (
        lambda image: replace(image, manufacturer_code=MANUFACTURER + 1),
        "another manufacturer code",
    ),
    "another image type": (lambda image: replace(image, image_type=0x0101), "another image type"),
}


@pytest.mark.parametrize("what", OTHER_IDENTITIES)
def test_attack_mix_and_match_a_device_that_is_another_product_is_offered_nothing(what: str) -> None:
    change, reason = OTHER_IDENTITIES[what]

    def another_product(bench: Bench) -> None:
        device = bench.devices[PPMID]
        device.running = change(device.running)
        device.client = device._new_client()

    async def main() -> None:
        settings = HubSettings(ota=OtaServerSettings(session_lifetime=7200))
        async with update_bench(prepare=another_product, settings=settings) as b:
            frames = b.overhear()
            b.update(JobKind.PPMID)
            await b.until(lambda: b.seen(EventKind.OTA_REFUSED, PPMID))
            (refused, *_) = b.seen(EventKind.OTA_REFUSED, PPMID)
            assert reason in str(refused.detail["reason"])
            await b.still_serves(HCALCS)
            await b.until_state(PPMID, "expired", 3 * 7200)
            assert b.transfer_alerts(PPMID) == [("8F89", "file_transfer_failure")]
            largest = max(
                len(f.payload)
                for f in frames
                if f.destination == b.ppmid.nwk and f.cluster == ClusterId.OTA_UPGRADE
            )
            assert largest < 20, "no block of the image went to it"

    run_virtual(main())


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("hardware_version", [0x0000, 0x0003, 0xFFFF])
def test_attack_mix_and_match_a_device_of_other_hardware_is_refused_with_8f89_code_2(
    kind: JobKind, hardware_version: int
) -> None:
    device = PUBLISHED_DEVICES[kind]

    def other_hardware(bench: Bench) -> None:
        node = bench.devices[device]
        node.identity = replace(node.identity, hardware_version=hardware_version)
        node.client = node._new_client()

    async def main() -> None:
        async with update_bench(prepare=other_hardware) as b:
            b.update(kind)
            await b.until_state(device, "rejected")
            assert b.transfer_alerts(device) == [("8F89", "hardware_version_mismatch")]
            assert b.device(device).client.file_offset == 0
            await b.still_serves(PUBLISHED_DEVICES[OTHER[kind]])

    run_virtual(main())


@pytest.mark.parametrize(
    "changes",
    [
        {"manufacturer_code": MANUFACTURER + 1},
        {"image_type": IMAGE_TYPE_PPMID},
        {"hardware_versions": None},
    ],
    ids=["manufacturer", "image type", "no hardware versions"],
)
def test_attack_mix_and_match_an_hcalcs_that_lies_in_its_query_still_judges_the_header_itself(
    changes: dict[str, object],
) -> None:
    """The Upgrade Client is made to claim what the image wants; the device's own check is left as it is."""

    async def main() -> None:
        async with update_bench() as b:
            head = header(JobKind.HCALCS, **changes)
            image = firmware(JobKind.HCALCS, supplier_key(b.assembly.parties), head=head)
            client = b.hcalcs.client
            claimed = ImageId(head.manufacturer_code, head.image_type, int.from_bytes(OLD, "big"))
            client.identity = replace(client.identity, image=claimed)
            b.update(JobKind.HCALCS, image=image.data)
            fits = (head.manufacturer_code, head.image_type) == (MANUFACTURER, IMAGE_TYPE_HCALCS)
            await b.until_state(HCALCS, "held" if fits else "invalid_image")
            assert (b.hcalcs.held is not None) is fits

    run_virtual(main())


@pytest.mark.parametrize("kind", JobKind)
def test_attack_downgrade_an_older_version_is_not_offered(kind: JobKind) -> None:
    device = PUBLISHED_DEVICES[kind]

    async def main() -> None:
        async with update_bench() as b:
            old = header(kind, file_version=int.from_bytes(OLD, "big") - 1)
            image = firmware(kind, supplier_key(b.assembly.parties), head=old)
            b.update(kind, image=image.data)
            await b.until(lambda: b.seen(EventKind.OTA_REFUSED, device))
            assert "higher file version" in str(b.seen(EventKind.OTA_REFUSED, device)[0].detail["reason"])
            await b.until_state(device, "rejected", 60)
            assert b.transfer_alerts(device) == [("8F89", "image_discarded")]
            assert b.device(device).firmware_version == OLD
            assert b.device(device).client.file_offset == 0
            await b.still_serves(device)
            assert b.device(device).firmware_version == NEW

    run_virtual(main())
