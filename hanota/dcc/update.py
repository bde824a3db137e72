"""SR 11.1 and 11.4: an image to be distributed, to those of its devices that may have it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from hanota.dcc.codes import BAD_IMAGE, NO_ELIGIBLE_DEVICE, SOME_ELIGIBLE
from hanota.dcc.eligibility import eligible_devices
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.prepared import Done, Prepared
from hanota.duis.dcc_alert import CommsHubTransferStatus, CspFirmwareDeliveryStatus
from hanota.duis.request import ServiceReference
from hanota.duis.response import WARNING_LISTS
from hanota.duis.response_code import ResponseCode
from hanota.errors import RemoteProtocolError
from hanota.hub.jobs import JobKind
from hanota.timestamps import utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.clock import Clock
    from hanota.dcc.eligibility import Eligibility
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.products_list import ProductsList
    from hanota.dcc.responses import Responses
    from hanota.duis.request import UpdateFirmware, UpdatePpmidFirmware
    from hanota.errors import ProtocolError
    from hanota.eui64 import Eui64
    from hanota.hub.events import Json
    from hanota.hub.hub import Hub
    from hanota.hub.jobs import JobOptions


class _Update(NamedTuple):
    name: str
    kind: JobKind


_UPDATES: Final = {
    ServiceReference.UPDATE_FIRMWARE: _Update("Update Firmware", JobKind.HCALCS),
    ServiceReference.UPDATE_PPMID_FIRMWARE: _Update("Update PPMID Firmware", JobKind.PPMID),
}
"""Which devices each update is for: SECMP0007 gave 11.4 to PPMIDs and opened 11.1 to HCALCSs."""

_REASONS: Final = {
    "invalid": "unknown or of another type",
    "not_commissioned": "not commissioned",
    "not_applicable_firmware": "not what this firmware is for",
    "other_request_in_progress": "this image is held already and waits to be activated",
    "invalid_gbcs_version": "not of the GBCS version this firmware needs",
}
"""The lists of DUIS in words."""
_HINTS: Final = {
    "not_commissioned": (
        "it has to be Commissioned in the inventory, and in the hub's Device Log: one that was added becomes"
        " so when it joins, a few seconds after it is switched on"
    ),
    "not_applicable_firmware": (
        "compare maker and hardware in the inventory with the OTA Header; and where the products list has"
        " entries of that type, one has to be of this image and Active"
    ),
}
"""Where to look, by the same names."""


class Updates:
    """Distributes images; N60 tells for each device that the hub has its image, N61 that it refused it."""

    def __init__(
        self, hub: Hub, inventory: Inventory, products: ProductsList, responses: Responses, clock: Clock
    ) -> None:
        self._hub, self._inventory, self._products = hub, inventory, products
        self._responses, self._clock = responses, clock

    def prepare(
        self, request: UpdateFirmware | UpdatePpmidFirmware, options: JobOptions | None, *, local: bool
    ) -> Prepared:
        """Prepare either; raise RequestRejectedError for a bad image, and where no device is eligible.

        What the hub refuses is told by N61, as the DCC does, but a `local` user at once.
        """
        reference = request.service_reference
        name, kind = _UPDATES[reference]
        try:
            file = self._hub.library.parse(request.firmware_image, kind)
        except RemoteProtocolError as error:
            raise RequestRejectedError(str(error), code=BAD_IMAGE[reference], hint=error.hint) from error
        found = eligible_devices(
            request, file, inventory=self._inventory, products=self._products, hub=self._hub
        )
        lists = _lists(found)
        if not found.eligible:
            raise RequestRejectedError(
                f"no {kind} of the DeviceIDList can be updated: {_in_words(found)}",
                code=NO_ELIGIBLE_DEVICE[reference],
                hint=next((hint for name, hint in _HINTS.items() if name in lists), None),
                content=found.warning,
            )
        destination = file.header.upgrade_file_destination
        if destination is not None and set(found.eligible) != {destination}:
            raise RequestRejectedError(
                f"the OTA Header says that the image is for {destination} alone", code=BAD_IMAGE[reference]
            )
        return Prepared(
            name=name,
            detail={
                "octets": len(file.data),
                "manufacturer_image_hash": file.manufacturer_image_hash.hex(),
                "firmware_version": file.firmware_version.hex().upper(),
                "devices": [str(device) for device in request.device_ids],
            },
            response_code=SOME_ELIGIBLE[reference] if lists else ResponseCode.I99,
            content=found.warning if lists else None,
            words="accepted for some devices" if lists else "accepted, the outcome follows",
            lists=lists,
            carry_out=partial(self._distribute, request, kind, found.eligible, options),
            otherwise=None if local else partial(self._refused, request, found.eligible),
        )

    def _distribute(
        self,
        request: UpdateFirmware | UpdatePpmidFirmware,
        kind: JobKind,
        devices: Sequence[Eui64],
        options: JobOptions | None,
    ) -> Done:
        request_id, image = str(request.request_id), request.firmware_image
        jobs = self._hub.distribute(request_id, kind, image, devices, options)
        self._tell(request, devices, CommsHubTransferStatus.SUCCESS, "the hub has the image")
        return Done(jobs=tuple(jobs))

    def _refused(
        self,
        request: UpdateFirmware | UpdatePpmidFirmware,
        devices: Sequence[Eui64],
        error: ProtocolError,
    ) -> Done:
        self._tell(request, devices, CommsHubTransferStatus.FAILURE, f"the hub refused the image: {error}")
        return Done()

    def _tell(
        self,
        request: UpdateFirmware | UpdatePpmidFirmware,
        devices: Sequence[Eui64],
        status: CommsHubTransferStatus,
        outcome: str,
    ) -> None:
        for device in devices:
            alert = CspFirmwareDeliveryStatus(
                request.request_id,
                self._hub.eui64,
                device,
                request.firmware_version,
                utc(self._clock.now()),
                status,
            )
            user = request.request_id.originator
            self._responses.dcc_alert(device, user, alert, None, outcome, "")


def _lists(found: Eligibility) -> dict[str, Json]:
    """Return who was left out, by the names of DUIS."""
    return {
        name: [str(device) for device in devices]
        for name in WARNING_LISTS
        if (devices := getattr(found.warning, name))
    }


def _in_words(found: Eligibility) -> str:
    reasons = (
        f"{reason}: {', '.join(map(str, devices))}"
        for name, reason in _REASONS.items()
        if (devices := getattr(found.warning, name))
    )
    return "; ".join(reasons) or "it names none"
