"""Updates of devices with other Upgrade Clients: their benches, and what has to hold at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hanota.emulator.devices import DeviceSettings
from hanota.emulator.devices.client_shapes import CLIENTS
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.commands import (
    ImageBlockRequest,
    decode_command,
)
from hanota.zcl import ClusterId, DefaultResponse, ZclFrame
from tests.radio_dongles import DONGLES, ZNP_3_0
from tests.simulation.update_support import (
    NEW,
    update_bench,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.air import ApsFrame
    from hanota.emulator.devices import FirmwareDevice
    from hanota.ota.commands import OtaCommand
    from hanota.ota.settings import OtaClientSettings
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
