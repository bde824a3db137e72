"""Devices with Upgrade Clients of other makers, under their own link keys: each update ends right."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from hanota.demo.parties import HCALCS, PPMID
from hanota.demo.plan import MANUFACTURER
from hanota.emulator.devices import DeviceSettings, Hcalcs
from hanota.emulator.devices.client_shapes import CLIENTS, QUIRK_NAMES, with_quirks
from hanota.emulator.loop import run_virtual
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind, JobOptions
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
    decode_command,
    encode_command,
)
from hanota.ota.elements import SubElement
from hanota.ota.header import OtaHeader
from hanota.ota.quirk_table import QUIRKS
from hanota.ota.settings import OtaClientSettings
from hanota.ota.signature import supplier_signer
from hanota.zcl import ClusterId, DefaultResponse, Status, ZclFrame
from tests.radio_dongles import DONGLES, FAMILIES, ZNP_3_0
from tests.simulation.update_support import (
    HUB_ENDPOINT,
    NEW,
    OLD,
    firmware,
    header,
    more,
    supplier_key,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices import FirmwareDevice
    from hanota.eui64 import Eui64
    from hanota.ota.commands import OtaCommand
    from tests.radio_dongles import Dongle
    from tests.simulation.update_support import UpdateBench

ALL_DONGLES: tuple[Dongle, ...] = (*DONGLES, ZNP_3_0)
SHAPES = tuple(name for name in CLIENTS if name != "common")
HOUR, DAY = 3600, 86_400
ENCRYPTED_IMAGE_TAG = bytes.fromhex("00f0")
DEVICE_OF = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}

NOT_OFFERED = "no image is offered to this device"
INSTALLED = "the device already runs the file version that is offered"
SAYS_INSTALLED = "the device says it runs 01000001 already"
UNEXPECTED_END = "Upgrade End Request SUCCESS for an image not transferred to the device"
ENDED = "the offer has ended"
ASKS_ANYWAY = frozenset({NOT_OFFERED, INSTALLED, SAYS_INSTALLED, ENDED})
REFUSED: dict[str, frozenset[str]] = {
    "query repeated": ASKS_ANYWAY,
    "periodic query": ASKS_ANYWAY,
    "Image Notify ignored": ASKS_ANYWAY,
    "Upgrade End without a download, repeated": frozenset({UNEXPECTED_END}),
}
"""What the hub is right to refuse: queries before and after the job, the end of what never began."""
PPMID_WAY = ["accepted", "notified", "queried", "transferring", "transferred", "activating", "activated"]
HCALCS_WAY = [*PPMID_WAY[:5], "held", *PPMID_WAY[5:]]


def with_client(client: OtaClientSettings, **changes: object) -> DeviceSettings:
    return replace(DeviceSettings(client=client), **changes)  # type: ignore[arg-type]


def bench_of(dongle: Dongle, shape: str, **options: object) -> AbstractAsyncContextManager[UpdateBench]:
    """A bench whose devices have that client."""
    return update_bench(dongle, device_settings=with_client(CLIENTS[shape]), **options)  # type: ignore[arg-type]


async def update_both(b: UpdateBench) -> None:
    """Update the PPMID by 11.4, then the HCALCS by 11.1 and 11.3, and have both read back."""
    for device in (PPMID, HCALCS):
        await b.still_serves(device)


def ended_right(b: UpdateBench, frames: Sequence[ApsFrame], refused: Collection[str] = ()) -> None:
    """The journal shows a straight way to the new version, and nothing went in the clear.

    With a device that queries at any time the job is `queried` in between, and then `transferring` again.
    """
    for kind, device, way in ((JobKind.PPMID, PPMID, PPMID_WAY), (JobKind.HCALCS, HCALCS, HCALCS_WAY)):
        node = b.device(device)
        states = b.states(device)
        assert (list(dict.fromkeys(states)) if NOT_OFFERED in refused else states) == way
        assert node.firmware_version == NEW
        assert b.image_of(device) == b.files[kind].data
        assert b.transfer_alerts(device) == [("8F8A", "success")]
        (end,) = {event.detail["status"] for event in b.seen(EventKind.UPGRADE_END, device)}
        assert end == "SUCCESS"
        assert not node.dropped
    assert b.scenario.refused == 0
    assert {event.detail["reason"] for event in b.seen(EventKind.OTA_REFUSED)} <= set(refused)
    assert not b.seen(EventKind.TRANSFER_ABORTED)
    assert not b.seen(EventKind.TRANSFER_STALLED)
    assert all(frame.secured for frame in frames if frame.cluster == ClusterId.OTA_UPGRADE)


def said(frames: Iterable[ApsFrame], device: FirmwareDevice) -> list[tuple[ZclFrame, OtaCommand]]:
    """The OTA commands of a device, in order, with their ZCL frames."""
    return _commands(frame for frame in frames if frame.source == device.nwk)


def told(frames: Iterable[ApsFrame], device: FirmwareDevice) -> list[tuple[ZclFrame, OtaCommand]]:
    """The OTA commands of the hub to a device, in order, with their ZCL frames."""
    return _commands(frame for frame in frames if frame.destination == device.nwk)


def _commands(frames: Iterable[ApsFrame]) -> list[tuple[ZclFrame, OtaCommand]]:
    decoded = [ZclFrame.decode(frame.payload) for frame in frames if frame.cluster == ClusterId.OTA_UPGRADE]
    return [(frame, decode_command(frame)) for frame in decoded if frame.cluster_specific]


def is_answer(frame: ApsFrame) -> bool:
    """Tell whether a frame is the Upgrade Server's."""
    return frame.cluster == ClusterId.OTA_UPGRADE and frame.source == 0


def change_answers(b: UpdateBench, change: Callable[[ApsFrame], list[ApsFrame]]) -> list[ApsFrame]:
    """Have every frame of the Upgrade Server changed on the air; return what `overhear` then hears."""
    frames = b.overhear()
    hear = b.bench.air.intercept
    assert hear is not None

    def intercept(frame: ApsFrame) -> list[ApsFrame]:
        changed = change(frame) if is_answer(frame) else [frame]
        return [heard for each in changed for heard in hear(each)]

    b.bench.air.intercept = intercept
    return frames


def default_responses(frames: Iterable[ApsFrame]) -> list[int]:
    """The statuses that the devices' Upgrade Clients answered with."""
    decoded = [
        ZclFrame.decode(frame.payload)
        for frame in frames
        if frame.cluster == ClusterId.OTA_UPGRADE and frame.source != 0
    ]
    return [DefaultResponse.decode(frame.payload).status for frame in decoded if frame.is_default_response]


def blocks_asked(frames: Iterable[ApsFrame], device: FirmwareDevice) -> list[ImageBlockRequest]:
    return [command for _, command in said(frames, device) if isinstance(command, ImageBlockRequest)]


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
            b.assembly.hub.add_device_file(PPMID, file.data)
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
            b.assembly.hub.remove_device_files(PPMID)
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


# -- holding -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def held_last_blocks(dongle: Dongle) -> AsyncIterator[tuple[UpdateBench, list[Eui64]]]:
    """A PPMID of each client, all with their last block held until somebody approves."""
    devices = more(PPMID, len(CLIENTS))
    async with update_bench(dongle, ppmids=len(devices), hcalcses=0) as b:
        for device, client in zip(devices, CLIENTS.values(), strict=True):
            b.device(device).act_as(with_client(client))
        image = b.files[JobKind.PPMID].data
        options = JobOptions(needs_approval=True)
        b.assembly.hub.distribute("held", JobKind.PPMID, image, devices, options)
        await b.until(lambda: len(b.seen(EventKind.TRANSFER_HELD)) == len(devices))
        yield b, devices


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_jobs_that_wait_for_approval_hold_the_last_block_for_two_days_and_then_end(dongle: Dongle) -> None:
    async def main() -> None:
        async with held_last_blocks(dongle) as (b, devices):
            known = len(b.events)
            await asyncio.sleep(2 * DAY)
            assert len(b.events) - known < 100, "a hold costs the journal nothing"
            for device in devices:
                assert b.states(device) == PPMID_WAY[:4]
                assert b.device(device).firmware_version == OLD
                assert not b.transfer_alerts(device)
                b.assembly.hub.approve(device)
            approved = b.system_clock.now()
            for device in devices:
                await b.until_state(device, "activated")
                assert b.seen(EventKind.UPGRADE_END, device)[0].at - approved < 300
                assert b.image_of(device) == b.files[JobKind.PPMID].data
                assert b.transfer_alerts(device) == [("8F8A", "success")]
                assert b.states(device) == PPMID_WAY
            assert not b.seen(EventKind.TRANSFER_STALLED)
            assert not b.seen(EventKind.OTA_REFUSED)
            assert b.scenario.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_jobs_that_wait_for_approval_can_be_cancelled_hours_later(dongle: Dongle) -> None:
    async def main() -> None:
        async with held_last_blocks(dongle) as (b, devices):
            await asyncio.sleep(12 * HOUR)
            for device in devices:
                b.assembly.hub.cancel(device, "not approved")
            await b.until(lambda: len(b.seen(EventKind.TRANSFER_ABORTED)) == len(devices))
            await asyncio.sleep(HOUR)
            for device in devices:
                assert b.state(device) == "cancelled"
                assert b.device(device).firmware_version == OLD
                assert b.transfer_alerts(device) == [("8F89", "image_discarded")]
                b.update(JobKind.PPMID, devices=[device])
                await b.until_state(device, "activated")

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_a_device_that_asks_every_hour_is_held_for_cs06_for_110_hours(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench_of(dongle, "silicon-labs", ppmids=0) as b:
            await b.held()
            await asyncio.sleep(60)  # the first answer has arrived
            frames = b.overhear()
            await asyncio.sleep(110 * HOUR)
            asked = [command for _, command in said(frames, b.hcalcs)]
            answers = [
                command for _, command in told(frames, b.hcalcs) if isinstance(command, UpgradeEndResponse)
            ]
            assert [type(command) for command in asked] == [UpgradeEndRequest] * 110
            assert len(answers) == 110
            assert {answer.upgrade_time for answer in answers} == {NEVER}
            assert b.states(HCALCS) == HCALCS_WAY[:6]
            assert b.hcalcs.firmware_version == OLD
            assert b.transfer_alerts(HCALCS) == [("8F8A", "success")], "it belongs to the first time alone"
            await b.activate(HCALCS)
            assert b.states(HCALCS) == HCALCS_WAY
            assert b.hcalcs.firmware_version == NEW
            assert b.scenario.refused == 0

    run_virtual(main())


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_an_hcalcs_whose_client_would_activate_itself_still_waits_for_cs06(dongle: Dongle) -> None:
    """Two hours of 0xFFFFFFFF are enough for the Telink client; the application obeys its supplier."""

    async def main() -> None:
        async with bench_of(dongle, "telink", ppmids=0) as b:
            await b.held()
            await asyncio.sleep(3 * HOUR)
            assert b.hcalcs.firmware_version == OLD
            assert b.state(HCALCS) == "held"
            await b.activate(HCALCS)
            assert b.states(HCALCS) == HCALCS_WAY
            assert b.hcalcs.firmware_version == NEW

    run_virtual(main())
