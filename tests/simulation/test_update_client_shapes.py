"""Devices with Upgrade Clients of other makers, under their own link keys: each update ends right."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hanota.demo.plan import MANUFACTURER
from hanota.emulator.devices import DeviceSettings, Hcalcs
from hanota.emulator.devices.client_shapes import CLIENTS, QUIRK_NAMES, with_quirks
from hanota.emulator.loop import run_virtual
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.build import build_ppmid_image, build_signed_image, build_tagged_image
from hanota.ota.client_quirks import ClientQuirks
from hanota.ota.commands import (
    NEVER,
    ImageBlock,
    ImageBlockRequest,
    ImageBlockResponse,
    ImagePageRequest,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    UpgradeEndRequest,
    UpgradeEndResponse,
    encode_command,
)
from hanota.ota.elements import SubElement
from hanota.ota.header import OtaHeader
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.settings import OtaClientSettings
from hanota.ota.signature import supplier_signer
from hanota.zcl import ClusterId, DefaultResponse, Status, ZclFrame
from tests.radio_dongles import FAMILIES
from tests.simulation.client_shape_support import (
    ALL_DONGLES,
    ASKS_ANYWAY,
    DEVICE_OF,
    ENCRYPTED_IMAGE_TAG,
    HCALCS_WAY,
    HOUR,
    PPMID_WAY,
    REFUSED,
    SHAPES,
    bench_of,
    blocks_asked,
    change_answers,
    default_responses,
    ended_right,
    is_answer,
    said,
    told,
    update_both,
    with_client,
)
from tests.simulation.update_support import (
    HUB_ENDPOINT,
    NEW,
    OLD,
    firmware,
    header,
    supplier_key,
    update_bench,
)

if TYPE_CHECKING:
    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices import FirmwareDevice
    from hanota.ota.commands import OtaCommand
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

# -- whole clients -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dongle", ALL_DONGLES, ids=str)
def test_devices_with_a_client_of_another_maker_are_updated(dongle: Dongle, shape: str) -> None:
    async def main() -> None:
        async with bench_of(dongle, shape) as b:
            frames = b.overhear()
            await update_both(b)
            ended_right(b, frames)
            for device in (b.ppmid, b.hcalcs):
                kinds = {type(command) for _, command in said(frames, device)}
                assert (ImagePageRequest in kinds) is (shape == "page")
                asked = {request.maximum_data_size for request in blocks_asked(frames, device)}
                assert asked <= {"silicon-labs": {63}, "page": {63}}.get(shape, set(range(49)))

    run_virtual(main())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_of_another_maker_that_restarts_in_the_middle_goes_on(dongle: Dongle, shape: str) -> None:
    """One queries again and goes on where it had saved, the other asks for a block at once."""

    async def main() -> None:
        async with bench_of(dongle, shape, size=10_000) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 5_000)
            frames = b.overhear()
            b.ppmid.power_off()
            await asyncio.sleep(20)
            await b.ppmid.power_on()
            await b.until_state(PPMID, "activated")
            first = said(frames, b.ppmid)[0][1]
            assert isinstance(first, QueryNextImageRequest) is (shape == "telink")
            resumed = said(frames, b.ppmid)[shape == "telink"][1]
            assert isinstance(resumed, ImageBlockRequest | ImagePageRequest)
            lost = 48 * CLIENTS[shape].quirks.blocks_between_saves
            assert 5_000 - lost <= resumed.file_offset <= 5_200
            assert b.image_of(PPMID) == b.files[JobKind.PPMID].data
            assert b.scenario.refused == 0
            assert not b.seen(EventKind.OTA_REFUSED)

    run_virtual(main())


# -- quirk by quirk ----------------------------------------------------------------------------------------


def distinct_quirks() -> list[str]:
    """The quirks that make a device of their own; what a whole measured client does is tried above."""
    names, known = list[str](), [with_client(client) for client in CLIENTS.values()]
    for name in QUIRK_NAMES:
        settings = with_quirks(DeviceSettings(), [name])
        if settings not in known or manufacturer(name) != MANUFACTURER:
            known.append(settings)
            names.append(name)
    return names


def manufacturer(quirk: str) -> int:
    codes = [code for row in QUIRKS if row.name == quirk for code in row.manufacturer_codes]
    return min(codes, default=MANUFACTURER)


def prepare(b: UpdateBench, quirk: str) -> None:
    """Have devices and images be those that the quirk is about."""
    key = supplier_key(b.assembly.parties)
    code = manufacturer(quirk)
    for kind, eui64 in DEVICE_OF.items():
        device, head = b.device(eui64), header(kind, manufacturer_code=code)
        if quirk == "image decrypted block by block":
            octets = ENCRYPTED_IMAGE_TAG + bytes(3_000)
            b.files[kind] = (
                build_ppmid_image(head, octets)
                if kind is JobKind.PPMID
                else build_signed_image(head, octets, supplier_signer(key))
            )
        elif code != MANUFACTURER:
            device.running = replace(device.running, manufacturer_code=code)
            device.client = device._new_client()
            b.files[kind] = firmware(kind, key, head=head)


@pytest.mark.parametrize("quirk", [name for name in distinct_quirks() if "out of band" not in name])
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_devices_with_a_quirk_on_record_are_updated(dongle: Dongle, quirk: str) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), [quirk])
        async with update_bench(dongle, device_settings=settings) as b:
            prepare(b, quirk)
            frames = b.overhear()
            await update_both(b)
            ended_right(b, frames, REFUSED.get(quirk, ()))

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_ppmid_of_activation_policy_out_of_band_ends_by_name_as_nothing_else_would_activate_it(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["activation policy out of band"])
        async with update_bench(dongle, size=2_000, device_settings=settings) as b:
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "aborted")
            *_, last = b.seen(EventKind.JOB_STATE, PPMID)
            assert "Upgrade Activation Policy is out of band" in str(last.detail["cause"])
            assert b.ppmid.firmware_version == OLD
            assert b.transfer_alerts(PPMID) == [("8F8A", "success")]

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_an_hcalcs_of_activation_policy_out_of_band_waits_for_cs06_and_asks_no_more(dongle: Dongle) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["activation policy out of band"])
        async with update_bench(dongle, ppmids=0, device_settings=settings) as b:
            await b.held()
            frames = b.overhear()
            await asyncio.sleep(3 * HOUR)
            assert not said(frames, b.hcalcs)
            await b.activate(HCALCS)
            assert b.states(HCALCS) == HCALCS_WAY
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())


STRANGE = ClientQuirks(
    field_control=0xFC,
    asks_full_size_at_end=True,
    out_of_order=True,
    repeats_of_last_block=3,
    upgrade_end_copies=5,
    no_default_response=True,
    one_sequence=True,
    query_interval=1.0,
)


@pytest.mark.parametrize("dongle", ALL_DONGLES, ids=str)
def test_a_client_that_does_everything_otherwise_ends_right(dongle: Dongle) -> None:
    """What it did is looked up on the air, so that this test cannot pass with a client like ours."""

    async def main() -> None:
        settings = with_client(OtaClientSettings(quirks=STRANGE), names_node_address=True, ota_endpoint=9)
        async with update_bench(dongle, device_settings=settings) as b:
            frames = b.overhear()
            await b.still_serves(PPMID)
            await b.held()
            await asyncio.sleep(60)  # every Upgrade End Request has its answer before CS06 ends it all
            await b.activate(HCALCS)
            ended_right(b, frames, ASKS_ANYWAY)
            for kind, eui64 in DEVICE_OF.items():
                did_everything_otherwise(frames, b.device(eui64), len(b.files[kind].data))
            answers = filter(is_answer, frames)
            endpoints = {(frame.source_endpoint, frame.destination_endpoint) for frame in answers}
            assert endpoints == {(HUB_ENDPOINT, 9)}

    run_virtual(main())


def did_everything_otherwise(frames: list[ApsFrame], device: FirmwareDevice, size: int) -> None:
    own = said(frames, device)
    where = [number for number, (_, command) in enumerate(own) if isinstance(command, ImageBlockRequest)]
    between = own[where[0] : where[-1]]
    assert any(isinstance(command, QueryNextImageRequest) for _, command in between)
    assert {(own[number][0].sequence, own[number][0].payload[0]) for number in where} == {(0, 0xFF)}
    blocks = blocks_asked(frames, device)
    assert {(block.node_address, block.maximum_data_size) for block in blocks} == {(device.eui64, 63)}
    offsets = [block.file_offset for block in blocks]
    assert any(later < earlier for earlier, later in pairwise(offsets))
    assert len(set(offsets[-3:])) == 1, "it asked for the last one again and again"
    assert max(offsets) + 63 > size
    ends = [command for _, command in own if isinstance(command, UpgradeEndRequest)]
    answers = [command for _, command in told(frames, device) if isinstance(command, UpgradeEndResponse)]
    if isinstance(device, Hcalcs):  # a PPMID restarts at the first answer
        assert len(ends) == len(answers) == 5
    assert answers
    assert len({answer.upgrade_time == NEVER for answer in answers}) == 1, "all five mean the same"


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_an_answer_that_is_not_waited_for_and_a_default_response_to_it_change_nothing(dongle: Dongle) -> None:
    """Each answer of the hub arrives twice; some clients answer the second with Default Response FAILURE."""

    async def main() -> None:
        async with bench_of(dongle, "silicon-labs") as b:
            frames = change_answers(b, lambda frame: [frame, frame])
            await update_both(b)
            ended_right(b, frames)
            assert default_responses(frames).count(Status.FAILURE) > 100

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_query_in_mid_session_sends_no_device_back_to_the_start(dongle: Dongle) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["query repeated"])
        async with update_bench(dongle, size=20_000, device_settings=settings) as b:
            frames = b.overhear()
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "activated")
            own = [command for _, command in said(frames, b.ppmid)]
            asked = blocks_asked(frames, b.ppmid)
            between = own[own.index(asked[0]) : own.index(asked[-1])]
            assert sum(isinstance(command, QueryNextImageRequest) for command in between) >= 3
            assert b.blocks_again(PPMID) == 0
            assert list(dict.fromkeys(b.states(PPMID))) == PPMID_WAY

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_minute_of_silence_before_the_first_block_is_no_stall(dongle: Dongle) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["flash erased before the first block"])
        async with update_bench(dongle, device_settings=settings) as b:
            frames = b.overhear()
            await update_both(b)
            ended_right(b, frames)
            for device in DEVICE_OF.values():
                queried, transferring = (
                    next(event.at for event in b.seen(EventKind.JOB_STATE, device, state=state))
                    for state in ("queried", "transferring")
                )
                assert transferring - queried == pytest.approx(60, abs=1)
                assert len(b.seen(EventKind.IMAGE_QUERIED, device)) == 1, "nothing had to wake it up"

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_asleep_between_polls_is_answered_within_half_a_second_each_time(dongle: Dongle) -> None:
    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["asleep between polls"])
        async with update_bench(dongle, device_settings=settings) as b:
            frames = b.overhear()
            await update_both(b)
            ended_right(b, frames)
            for device in DEVICE_OF.values():
                offsets = [block.file_offset for block in blocks_asked(frames, b.device(device))]
                assert len(set(offsets)) == len(offsets), "it had to ask for nothing again"

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_an_upgrade_end_without_a_download_activates_nothing(dongle: Dongle) -> None:
    """Some clients answer an Image Notify so; only the image itself brings the new version."""

    async def main() -> None:
        settings = with_quirks(DeviceSettings(), ["Upgrade End without a download, repeated"])
        async with update_bench(dongle, device_settings=settings) as b:
            frames = b.overhear()
            b.update(JobKind.PPMID)
            await b.until_state(PPMID, "transferring")
            (request, first), *_ = said(frames, b.ppmid)
            assert isinstance(first, UpgradeEndRequest)
            answers = [ZclFrame.decode(frame.payload) for frame in frames if is_answer(frame)]
            (answer,) = [answer for answer in answers if answer.sequence == request.sequence]
            assert DefaultResponse.decode(answer.payload).status == Status.ABORT
            assert b.ppmid.firmware_version == OLD
            await b.until_state(PPMID, "activated")
            assert b.states(PPMID) == PPMID_WAY
            assert b.ppmid.firmware_version == NEW

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_that_asks_for_a_file_of_its_own_in_the_middle_is_answered_and_updated(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with update_bench(dongle, size=10_000) as b:
            b.update(JobKind.PPMID)
            await b.until_octet(PPMID, 5_000)
            frames = b.overhear()
            wanted = QueryDeviceSpecificFileRequest(PPMID, b.ppmid.running, 2)
            await b.say(b.ppmid, ClusterId.OTA_UPGRADE, encode_command(wanted, 200))
            await b.until_state(PPMID, "activated")
            answers = [command for frame, command in told(frames, b.ppmid) if frame.sequence == 200]
            assert QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE) in answers
            assert b.states(PPMID) == PPMID_WAY
            assert b.blocks_again(PPMID) == 0
            assert b.scenario.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_gets_the_file_that_is_for_it_alone(dongle: Dongle) -> None:
    """Such as its log configuration or new credentials: asked for by EUI-64, no job and no Image Notify."""
    header = OtaHeader(MANUFACTURER, 0xFFC0, 7, upgrade_file_destination=PPMID)
    file = build_tagged_image(header, [SubElement(0xF000, bytes(range(40)))])

    async def main() -> None:
        async with update_bench(dongle, size=10_000) as b:
            b.assembly.hub.device_files.add(PPMID, file.data)
            frames = b.overhear()
            image_id = file.header.image_id
            commands: tuple[OtaCommand, ...] = (
                QueryDeviceSpecificFileRequest(PPMID, image_id, 2),
                ImageBlockRequest(image_id, 0, 48),
                UpgradeEndRequest(Status.SUCCESS, image_id),
            )
            for number, command in enumerate(commands, 200):
                await b.say(b.ppmid, ClusterId.OTA_UPGRADE, encode_command(command, number))
                await asyncio.sleep(1)
            answers = {frame.sequence: command for frame, command in told(frames, b.ppmid)}
            assert answers[200] == QueryDeviceSpecificFileResponse(Status.SUCCESS, image_id, len(file.data))
            assert answers[201] == ImageBlockResponse(Status.SUCCESS, ImageBlock(image_id, 0, file.data[:48]))
            assert isinstance(answers[202], UpgradeEndResponse)
            (asked,) = b.seen(EventKind.DEVICE_FILE_QUERIED, PPMID)
            assert asked.detail["file_version"] == "00000007"
            (ended,) = b.seen(EventKind.DEVICE_FILE_ENDED, PPMID)
            assert ended.detail["status"] == "SUCCESS"
            b.assembly.hub.device_files.remove(PPMID)
            await b.say(b.ppmid, ClusterId.OTA_UPGRADE, encode_command(commands[0], 210))
            await asyncio.sleep(1)
            answers = {frame.sequence: command for frame, command in told(frames, b.ppmid)}
            assert answers[210] == QueryDeviceSpecificFileResponse(Status.NO_IMAGE_AVAILABLE)

    run_virtual(main())


# -- what belongs to the radio -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_answers_from_another_endpoint_are_taken_and_requests_go_where_they_went(
    dongle: Dongle, shape: str
) -> None:
    async def main() -> None:
        async with bench_of(dongle, shape) as b:
            frames = change_answers(b, lambda frame: [replace(frame, source_endpoint=77)])
            await update_both(b)
            ended_right(b, frames)
            ota = [frame for frame in frames if frame.cluster == ClusterId.OTA_UPGRADE]
            assert {frame.source_endpoint for frame in ota if frame.source == 0} == {77}
            assert {frame.destination_endpoint for frame in ota if frame.source} == {HUB_ENDPOINT}

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_plaintext_is_refused_by_the_device_and_the_hub_never_sends_any(dongle: Dongle) -> None:
    """Somebody sends each answer of the hub once more without APS encryption."""

    async def main() -> None:
        settings = with_quirks(with_client(CLIENTS["silicon-labs"]), ["plaintext refused"])
        async with update_bench(dongle, device_settings=settings) as b:
            plain: list[ApsFrame] = []

            def stripped(frame: ApsFrame) -> list[ApsFrame]:
                plain.append(replace(frame, link_key=None, frame_counter=None))
                return [plain[-1], frame]

            frames = change_answers(b, stripped)
            await update_both(b)
            refusals = sum(device.dropped.pop("without APS encryption") for device in (b.ppmid, b.hcalcs))
            ended_right(b, [frame for frame in frames if frame not in plain])
            assert refusals > 100
            # The last one makes a PPMID restart before it can say so.
            assert default_responses(frames).count(Status.FAILURE) in (refusals - 1, refusals)

    run_virtual(main())
