"""What the journal says of a refused Service Request: what happened, and what its sender can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.dcc.device_record import DeviceRecord
from hanota.dcc.service_users import ServiceUser
from hanota.demo.transcript import describe
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.duis.request import HanDeviceLogChange, ReadFirmwareVersion, UpdateHanDeviceLog
from hanota.hub.events import EventKind
from tests.hub_parties_support import HUB, STRANGER, SUPPLIER
from tests.hub_support import lab, submission, virtual

if TYPE_CHECKING:
    from hanota.duis.request import ServiceRequest
    from tests.hub_support import Lab

USERS = (ServiceUser(SUPPLIER.eui64),)
LEARNS = "it learns of devices from `devices` in the settings, or by REST: PUT /devices/EUI64/inventory"


def told(made: Lab, request: ServiceRequest) -> str:
    made.dcc.receive(submission(request))
    return describe(made.of(EventKind.REQUEST_REJECTED)[-1])


@virtual
async def test_a_device_that_the_inventory_does_not_have_is_told_with_how_it_learns_of_one() -> None:
    async with lab(users=USERS) as made:
        missing = f"Service Request rejected: {STRANGER.eui64} is not in the inventory; {LEARNS}"
        read = ReadFirmwareVersion(made.request_id(STRANGER.eui64))
        assert told(made, read) == missing
        added = UpdateHanDeviceLog(
            made.request_id(HUB.eui64), STRANGER.eui64, HanDeviceLogChange.ADD, bytes(16), 90
        )
        assert told(made, added) == missing


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (
            DeviceStatus.WHITELISTED,
            "it has not joined yet: switch it on, and wait until it is Commissioned",
        ),
        (
            DeviceStatus.WITHDRAWN,
            "it has to be one of Commissioned, InstalledNotCommissioned, Recovered, Recovery, Suspended",
        ),
    ],
)
def test_a_status_that_does_not_permit_it_is_told_with_those_that_do(status: DeviceStatus, hint: str) -> None:
    @virtual
    async def ask() -> None:
        async with lab(users=USERS) as made:
            made.inventory.put(DeviceRecord(STRANGER.eui64, DeviceType.PPMID, status))
            read = ReadFirmwareVersion(made.request_id(STRANGER.eui64))
            words = f"Service Request rejected: {STRANGER.eui64} is {status} in the inventory; {hint}"
            assert told(made, read) == words

    ask()
