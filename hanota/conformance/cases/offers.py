"""What a device must not take: offers that are not for it, and images that are not what they say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from hanota.conformance.case import BOTH, HCALCS, Case, Need
from hanota.conformance.errors import NotApplicableError
from hanota.conformance.faulty_radio import Altered, Way
from hanota.conformance.trial import ota_command
from hanota.hub.events import EventKind
from hanota.ota.commands import (
    ImageNotify,
    QueryNextImageRequest,
    QueryNextImageResponse,
    encode_command,
)
from hanota.ota.fields import ANY_IMAGE
from hanota.ota.header import HardwareVersions
from hanota.ota.image import SIGNATURE_LENGTH
from hanota.ota.signature import supplier_signer
from hanota.radio.settings import LinkSecurity
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.conformance.faulty_radio import Fate, RadioFrame
    from hanota.conformance.trial import Trial
    from hanota.ota.fields import ImageId
    from hanota.ota.image import OtaFile

_STRAY_KEY: Final = 0xC0FFEE
"""The private key of a supplier that no device knows."""
_ALL: Final = 100
"""The query jitter that has every device answer."""
_SEQUENCE: Final = 0xA5
"""Of the frames that the suite sends itself."""


# -- offers (Query Next Image Response) ----------------------------------------------------------------------


async def _offered(trial: Trial, change: Callable[[ImageId], ImageId], what: str) -> bool:
    """Answer the device's queries with another image's name; tell whether it asked for a block then."""

    def fault(frame: RadioFrame) -> Fate | None:
        if (frame.way, frame.device, frame.cluster) != (
            Way.TO_DEVICE,
            trial.device.eui64,
            ClusterId.OTA_UPGRADE,
        ):
            return None
        match ota_command(frame.data):
            case QueryNextImageResponse(image=image) as response if image is not None:
                return Altered(encode_command(replace(response, image=change(image)), frame.data[1]))
            case _:
                return None

    trial.rig.traffic.add_fault(fault)
    trial.offer(trial.image())
    await trial.reach(
        "the device was answered a query",
        lambda: [command for _, command in trial.told(QueryNextImageResponse) if command.image],
        trial.patience.query,
    )
    frame, response = trial.told(QueryNextImageResponse)[0]
    trial.saw(f"offered {what}: {response.image} (frame {frame.number})")
    await asyncio.sleep(trial.patience.silence)
    return bool(trial.block_requests())


async def _not_taken(trial: Trial, change: Callable[[ImageId], ImageId], what: str) -> None:
    taken = await _offered(trial, change, what)
    trial.check(
        not taken, f"no block of {what} asked for", "blocks were asked for" if taken else "none was asked for"
    )


async def _manufacturer(trial: Trial) -> None:
    await _not_taken(
        trial,
        lambda image: replace(image, manufacturer_code=image.manufacturer_code ^ 1),
        "an image of another manufacturer",
    )


async def _image_type(trial: Trial) -> None:
    await _not_taken(
        trial, lambda image: replace(image, image_type=image.image_type ^ 1), "an image of another type"
    )


async def _same_version(trial: Trial) -> None:
    await _not_taken(
        trial, lambda image: replace(image, file_version=trial.running), "the version that it runs"
    )


async def _downgrade(trial: Trial) -> None:
    if trial.running == 0:
        raise NotApplicableError("the device runs version 00000000, and there is none below")
    change: Callable[[ImageId], ImageId] = lambda image: replace(  # noqa: E731  # one line in both uses
        image, file_version=trial.running - 1
    )
    if not trial.downgrade_allowed:
        await _not_taken(trial, change, "a lower version")
        return
    taken = await _offered(trial, change, "a lower version")
    trial.saw("a lower version is taken, as the maker's policy has it" if taken else "it is not taken")


# -- images that are not what they say -----------------------------------------------------------------------


async def _refused(trial: Trial, file: OtaFile, octets: bytes, what: str) -> None:
    """Serve other octets than the image's; the device has to refuse them and run on as it is."""
    trial.serve_instead(octets)
    trial.offer(file)
    await _ends_invalid(trial, file, what)


async def _ends_invalid(trial: Trial, file: OtaFile, what: str) -> None:
    await trial.reach(
        f"the device has ended the download of {what}", trial.ended, trial.download_seconds(file)
    )
    status = trial.ended()[0].detail.get("status")
    trial.check(
        status == Status.INVALID_IMAGE.name,
        f"Upgrade End Request INVALID_IMAGE for {what}",
        f"Upgrade End Request {status}",
    )
    trial.rig.hub.cancel(trial.device.eui64, f"{what} was refused")
    trial.rig.traffic.clear_faults()
    await trial.check_still_runs(trial.running, "the device runs on as it was")


async def _corrupt(trial: Trial) -> None:
    file = trial.image()
    middle = file.header.header_length + len(file.manufacturer_image) // 2
    octets = bytearray(file.data)
    octets[middle] ^= 0x01
    await _refused(trial, file, bytes(octets), f"an image with octet {middle} altered")


async def _stray_signature(trial: Trial) -> None:
    file = trial.image()
    key = ec.derive_private_key(_STRAY_KEY, ec.SECP256R1())
    signature = supplier_signer(key)(file.manufacturer_image)
    octets = file.data[:-SIGNATURE_LENGTH] + signature
    await _refused(trial, file, octets, "an image signed by a supplier it does not know")


async def _other_header(trial: Trial) -> None:
    file = trial.image()
    header = replace(file.header, image_type=file.header.image_type ^ 1)
    octets = header.encode() + file.body
    await _refused(trial, file, octets, "an image whose OTA Header is of another type than offered")


async def _hardware(trial: Trial) -> None:
    file = trial.image()
    if file.header.hardware_versions is None:
        raise NotApplicableError(
            "the OTA Header of the image names no hardware versions", hint="give an --image that does"
        )
    trial.offer(file)
    # Its version is known with its query, and the first block is asked for after the answer to that.
    await trial.reach(
        "the device queries", lambda: trial.events(EventKind.IMAGE_QUERIED), trial.patience.query
    )
    own = trial.said(QueryNextImageRequest)[-1][1].hardware_version
    if own is None:
        raise NotApplicableError("the device's query names no hardware version")
    beyond = HardwareVersions(own + 1, 0xFFFE) if own < 0xFFFE else HardwareVersions(0, own - 1)
    octets = replace(file.header, hardware_versions=beyond).encode() + file.body
    trial.serve_instead(octets)
    await _ends_invalid(trial, file, f"an image that is not for hardware {own:04X}")


async def _plain_notify(trial: Trial) -> None:
    notify = ImageNotify(_ALL, ANY_IMAGE.manufacturer_code, ANY_IMAGE.image_type, ANY_IMAGE.file_version)
    # Only a hub that does not know its duty sends such a frame.
    await trial.rig.restart_hub(security=LinkSecurity.INSTALL_CODE)
    try:
        since = trial.rig.traffic.mark
        await trial.rig.say(trial.device, encode_command(notify, _SEQUENCE), encrypted=False)
        trial.saw("Image Notify was sent without APS encryption")
        await asyncio.sleep(trial.patience.silence)
        queries = trial.said(QueryNextImageRequest, since=since)
    finally:
        await trial.rig.restart_hub()
    trial.check(not queries, "no query after it", f"queries: {len(queries)}")


OFFER_CASES: Final = (
    Case(
        "other-manufacturer",
        "Another manufacturer's image is not asked for",
        BOTH,
        "ZCL 11.13.5",
        _manufacturer,
    ),
    Case("other-image-type", "An image of another type is not asked for", BOTH, "ZCL 11.13.5", _image_type),
    Case(
        "same-version", "The version that it runs is not downloaded again", BOTH, "ZCL 11.13.5", _same_version
    ),
    Case("downgrade", "A lower version is not asked for", BOTH, "ZCL 11.13.5", _downgrade),
    Case("corrupt-image", "An altered image is refused", BOTH, "ZCL 11.13.9, GBCS 11.2", _corrupt),
    Case(
        "other-header",
        "An image of another type than was offered is refused",
        BOTH,
        "ZCL 11.4.2, GBCS 11.2.2",
        _other_header,
    ),
    Case(
        "hardware-version",
        "An image for other hardware is refused",
        BOTH,
        "ZCL 11.4.2.13, GBCS 11.2.2",
        _hardware,
    ),
    Case(
        "supplier-signature",
        "An image that a stranger signed is refused",
        HCALCS,
        "GBCS 11.2.4",
        _stray_signature,
    ),
    Case(
        "plain-notify",
        "What is not under APS encryption is not obeyed",
        BOTH,
        "ZSE 1.4 table 5-12",
        _plain_notify,
        frozenset({Need.ENCRYPTION}),
    ),
)
