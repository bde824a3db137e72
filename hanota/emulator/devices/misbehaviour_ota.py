"""Misbehaviour of a device as an Upgrade Client: each breaks one rule of the OTA Upgrade cluster."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hanota.emulator.devices.device import FirmwareDevice
from hanota.emulator.devices.hcalcs import Hcalcs
from hanota.emulator.devices.misbehaviour_frames import (
    inbound,
    ota_command,
    outbound,
    outbound_octets,
    sending,
    with_client,
    with_quirk,
)
from hanota.errors import ConfigError
from hanota.gbcs.certificates import RemotePartyRole
from hanota.ota.client_events import DownloadFailed, DownloadFailure
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
    encode_command,
)
from hanota.ota.header import HardwareVersions
from hanota.zcl import GeneralCommand, Status, ZclFrame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.emulator.air import TxStatus
    from hanota.emulator.devices.misbehaviour_frames import Send
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.commands import OtaCommand
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile

_NEVER: Final = 1e9
"""Seconds that no test lasts."""
_REPEATED: Final = 6.0
"""Seconds in which the same sequence number is the same request again."""
_HALF_AN_HOUR: Final = 1800.0
_STATUS: Final = re.compile(rb"\x06\x00\x00\x30(.)", re.DOTALL)
"""The record of ImageUpgradeStatus in a Read Attributes Response: identifier, SUCCESS, enum8, value."""
_COMMAND: Final = 2
"""Where the command stands in a ZCL frame."""


# -- the download --------------------------------------------------------------------------------------------


def ignores_wait_for_data(device: FirmwareDevice) -> None:
    """Let it wait a second, whatever it is told."""
    with_client(device, wait_limit=1.0)


def restarts_from_zero(device: FirmwareDevice) -> None:
    """Let it save nothing of a download."""
    with_quirk(device, blocks_between_saves=1 << 20)


def ignores_abort(device: FirmwareDevice) -> None:
    """Let it ask again whatever ABORT says."""
    statuses = device.device_settings.client.quirks.ending_statuses
    with_quirk(device, ending_statuses=statuses - {Status.ABORT})


def stuck_after_abort(device: FirmwareDevice) -> None:
    """Let it be deaf to Image Notify after an ABORT, until it loses its power."""
    deaf = _until_power_cut(device)

    def rewrite(command: OtaCommand) -> OtaCommand | None:
        match command:
            case ImageBlockResponse(status=Status.ABORT):
                deaf.set()
            case ImageNotify() if deaf.is_set():
                return None
            case _:
                pass
        return command

    inbound(device, rewrite)


def gives_up_on_loss(device: FirmwareDevice) -> None:
    """Let it ask for each block once."""
    with_client(device, attempts=1)


def impatient(device: FirmwareDevice) -> None:
    """Let it wait two seconds for an answer in all."""
    with_client(device, response_timeout=1.0, attempts=2)


def doubles_on_duplicate(device: FirmwareDevice) -> None:
    """Let it take every response for the answer to its last request."""
    with_quirk(device, any_sequence=True)


def dead_after_silence(device: FirmwareDevice) -> None:
    """Let it hear nothing of OTA Upgrade after a server was silent, until it loses its power."""
    dead = _until_power_cut(device)
    told = device.told

    def heard(event: ClientEvent) -> None:
        if isinstance(event, DownloadFailed) and event.reason is DownloadFailure.BLOCKS_FAILED:
            dead.set()
        told(event)

    device.told = heard  # type: ignore[method-assign]
    inbound(device, lambda command: None if dead.is_set() else command)


def early_upgrade_end(device: FirmwareDevice) -> None:
    """Let it say that it has an image as soon as it is notified of one."""
    with_quirk(device, upgrade_end_without_download=True)


def asks_for_nothing(device: FirmwareDevice) -> None:
    """Let it ask for no octets too, each time that it asks for the first ones."""

    async def altered(send: Send, payload: bytes) -> TxStatus:
        request = ota_command(payload)
        if isinstance(request, ImageBlockRequest) and request.file_offset == 0:
            await send(encode_command(replace(request, maximum_data_size=0), payload[1] ^ 0x80))
        return await send(payload)

    sending(device, altered)


def wrong_query_version(device: FirmwareDevice) -> None:
    """Let it say in its queries that it runs the version before."""
    _with_query(device, lambda image: replace(image, file_version=max(image.file_version - 1, 0)))


def plain_upgrade_end(device: FirmwareDevice) -> None:
    """Let it send each Upgrade End Request without APS encryption first."""
    last, last_at = -1, 0.0

    async def altered(send: Send, payload: bytes) -> TxStatus:
        nonlocal last, last_at
        if not isinstance(ota_command(payload), UpgradeEndRequest):
            return await send(payload)
        now, sequence = device.clock.now(), payload[1]
        first = sequence != last or now - last_at > _REPEATED
        last, last_at = sequence, now
        return await (send(payload, encrypted=False) if first else send(payload))

    sending(device, altered)


def takes_plaintext(device: FirmwareDevice) -> None:
    """Let it obey what should have come encrypted."""
    device.act_as(replace(device.device_settings, takes_plaintext=True))


# -- offers and images ---------------------------------------------------------------------------------------


def accepts_other_manufacturer(device: FirmwareDevice) -> None:
    """Let it take any manufacturer's image for its own."""
    own = device.running.manufacturer_code
    _with_offer(device, lambda image: replace(image, manufacturer_code=own))


def accepts_other_image_type(device: FirmwareDevice) -> None:
    """Let it take an image of any type for one of its own."""
    own = device.running.image_type
    _with_offer(device, lambda image: replace(image, image_type=own))


def accepts_same_version(device: FirmwareDevice) -> None:
    """Let it begin with the version that it runs already."""

    def taken(image: ImageId) -> ImageId:
        same = image.file_version == device.running.file_version
        return replace(image, file_version=image.file_version + 1) if same else image

    _with_offer(device, taken)


def accepts_downgrade(device: FirmwareDevice) -> None:
    """Let it take a lower version."""
    with_client(device, allow_downgrade=True)


def accepts_corrupt_image(device: FirmwareDevice) -> None:
    """Let it look at the OTA Header of an image alone."""
    device.check_image = lambda file: FirmwareDevice.check_image(device, file)  # type: ignore[method-assign]
    if isinstance(device, Hcalcs):
        supplier, *_ = device.keystore.in_role(RemotePartyRole.SUPPLIER)
        device.signer_of = lambda file: supplier  # type: ignore[method-assign]  # noqa: ARG005


def ignores_header(device: FirmwareDevice) -> None:
    """Let it not look whose image it has downloaded."""
    own = device.running
    _with_header(device, {"manufacturer_code": own.manufacturer_code, "image_type": own.image_type})


def ignores_hardware_version(device: FirmwareDevice) -> None:
    """Let it not look which hardware an image is for."""
    _with_header(device, {"hardware_versions": HardwareVersions(0, 0xFFFF)})


# -- the end -------------------------------------------------------------------------------------------------


def no_hourly_upgrade_end(device: FirmwareDevice) -> None:
    """Let it not ask again when to activate."""
    with_client(device, held_interval=_NEVER)


def activates_without_command(device: FirmwareDevice) -> None:
    """Let an HCALCS activate what it holds when it was told twice to wait, half an hour apart."""
    switch = _hcalcs(device)
    first: dict[int, float] = {}

    def rewrite(command: OtaCommand) -> OtaCommand:
        if isinstance(command, UpgradeEndResponse) and switch.held is not None:
            version, now = switch.held.file.header.file_version, device.clock.now()
            if now - first.setdefault(version, now) > _HALF_AN_HOUR:
                switch.held = None
                asyncio.get_running_loop().call_soon(switch.reboot_into, version, lambda: None)
        return command

    inbound(device, rewrite)


# -- any ZCL client ------------------------------------------------------------------------------------------


def no_upgrade_status(device: FirmwareDevice) -> None:
    """Let it have no ImageUpgradeStatus."""
    outbound_octets(device, lambda data: _STATUS.sub(b"\x06\x00\x86", data) if _is_read(data) else data)


def wrong_upgrade_status(device: FirmwareDevice) -> None:
    """Let it say that no upgrade is under way, always."""
    outbound_octets(
        device, lambda data: _STATUS.sub(b"\x06\x00\x00\x30\x00", data) if _is_read(data) else data
    )


def silent_on_unknown(device: FirmwareDevice) -> None:
    """Let it say nothing to a command it does not know."""
    _without_default_response(device, Status.UNSUP_CLUSTER_COMMAND)


def silent_on_malformed(device: FirmwareDevice) -> None:
    """Let it say nothing to a command that is malformed."""
    _without_default_response(device, Status.MALFORMED_COMMAND)


# -- inside --------------------------------------------------------------------------------------------------


def _until_power_cut(device: FirmwareDevice) -> asyncio.Event:
    """Return a flag that a power cut clears."""
    flag, power_off = asyncio.Event(), device.power_off

    def cut() -> None:
        flag.clear()
        power_off()

    device.power_off = cut  # type: ignore[method-assign]
    return flag


def _with_query(device: FirmwareDevice, change: Callable[[ImageId], ImageId]) -> None:
    def rewrite(command: OtaCommand) -> OtaCommand:
        return (
            replace(command, image=change(command.image))
            if isinstance(command, QueryNextImageRequest)
            else command
        )

    outbound(device, rewrite)


def _with_offer(device: FirmwareDevice, change: Callable[[ImageId], ImageId]) -> None:
    """Let it see another image in an offer than the one offered."""

    def rewrite(command: OtaCommand) -> OtaCommand:
        if isinstance(command, QueryNextImageResponse) and command.image is not None:
            return replace(command, image=change(command.image))
        return command

    inbound(device, rewrite)


def _with_header(device: FirmwareDevice, fields: dict[str, Any]) -> None:
    """Let it check another OTA Header than the one that is there."""
    check_image = device.check_image

    def check(file: OtaFile) -> None:
        check_image(replace(file, header=replace(file.header, **fields)))

    device.check_image = check  # type: ignore[method-assign]


def _is_read(data: bytes) -> bool:
    return (
        len(data) > _COMMAND and data[_COMMAND] == GeneralCommand.READ_ATTRIBUTES_RESPONSE and not data[0] & 1
    )


def _without_default_response(device: FirmwareDevice, status: Status) -> None:
    def kept(data: bytes) -> bytes | None:
        frame = ZclFrame.decode(data)
        return None if frame.is_default_response and frame.payload[1:] == bytes((status,)) else data

    outbound_octets(device, kept)


def _hcalcs(device: FirmwareDevice) -> Hcalcs:
    if not isinstance(device, Hcalcs):
        raise ConfigError(f"{device.eui64} is no HCALCS, and has no such fault")
    return device
