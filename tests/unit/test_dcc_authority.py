"""Who may send which Service Request to whom: every rule of `hanota.dcc.authority`, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pytest

from hanota.dcc.authority import ADDED_FROM, TARGET_STATUSES, authorise
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.inventory import InventorySettings
from hanota.dcc.service_users import ELIGIBLE_ROLES, ServiceUser, ServiceUsers, UserRole
from hanota.dcc.services import Service, service_of
from hanota.dcc.submission import Submission
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.duis.request import (
    ActivateFirmware,
    HanDeviceLogChange,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    ServiceReference,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
)
from hanota.errors import ConfigError
from tests.inventory_support import DCC, HCALCS, HUB, PPMID, STRANGER, USER, Bench, bench, record

if TYPE_CHECKING:
    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64

REQUESTS: Final[tuple[ServiceRequest, ...]] = (
    UpdateFirmware(RequestId(USER, DCC, 1), b"", "00000000", (HCALCS,)),
    UpdatePpmidFirmware(RequestId(USER, DCC, 1), b"", "00000000", (PPMID,)),
    ReadInventory(RequestId(USER, DCC, 1), PPMID),
    ActivateFirmware(RequestId(USER, HCALCS, 1), bytes(32)),
    SignedPreCommand(RequestId(USER, HCALCS, 1), b""),
    ReadFirmwareVersion(RequestId(USER, PPMID, 1)),
    UpdateHanDeviceLog(RequestId(USER, HUB, 1), PPMID, HanDeviceLogChange.ADD, bytes(16), 60),
    UpdateHanDeviceLog(RequestId(USER, HUB, 1), PPMID, HanDeviceLogChange.REMOVE),
)
OF_THE_DCC, OF_DEVICES = REQUESTS[:3], REQUESTS[3:]
ADD, REMOVE = REQUESTS[-2:]
SUPPLIERS = {"IS", "GS"}
EVERYBODY = {"IS", "ES", "GS", "RSA", "ED", "GT", "OU"}
each_request = pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: type(one).__name__)


@dataclass
class Gate:
    """The access control of a bench with a PPMID and an HCALCS."""

    bench: Bench
    user: ServiceUser = field(default_factory=lambda: ServiceUser(USER))

    def __post_init__(self) -> None:
        self.bench.inventory.put(record(PPMID))
        self.bench.inventory.put(record(HCALCS, DeviceType.HCALCS))

    def asked(
        self, request: ServiceRequest, signer: Eui64 | None = USER, service: Service | None = None
    ) -> str | None:
        """Return the code that a request is refused with, None where it may be done."""
        submission = Submission(request, service or service_of(request), signer, bytes(32))
        try:
            authorise(submission, ServiceUsers([self.user]), self.bench.inventory, dcc=DCC)
        except RequestRejectedError as error:
            return str(error.code)
        return None


def aimed(request: ServiceRequest, target: Eui64) -> ServiceRequest:
    return replace(request, request_id=replace(request.request_id, target=target))


@each_request
def test_a_supplier_may_send_every_request_of_the_bench(request_: ServiceRequest) -> None:
    with bench() as made:
        assert Gate(made).asked(request_) is None


@each_request
def test_a_request_in_anothers_name_is_refused(request_: ServiceRequest) -> None:
    with bench() as made:
        assert Gate(made).asked(request_, signer=STRANGER) == "E1"


@each_request
def test_a_stranger_is_refused_though_he_signs_his_own(request_: ServiceRequest) -> None:
    with bench() as made:
        its_own = replace(request_, request_id=replace(request_.request_id, originator=STRANGER))
        assert Gate(made).asked(its_own, signer=STRANGER) == "E1"


@each_request
def test_a_suspended_user_is_refused(request_: ServiceRequest) -> None:
    with bench() as made:
        assert Gate(made, ServiceUser(USER, suspended=True)).asked(request_) == "E3"


@pytest.mark.parametrize("service", Service)
@each_request
def test_a_request_is_taken_at_its_own_service_alone(request_: ServiceRequest, service: Service) -> None:
    with bench() as made:
        expected = None if service is service_of(request_) else "E13"
        assert Gate(made).asked(request_, service=service) == expected


@pytest.mark.parametrize("role", UserRole)
@each_request
def test_only_eligible_roles_are_served(request_: ServiceRequest, role: UserRole) -> None:
    table = {
        "8.2": EVERYBODY,
        "8.11": SUPPLIERS,
        "11.1": SUPPLIERS,
        "11.2": EVERYBODY,
        "11.3": SUPPLIERS,
        "11.4": SUPPLIERS,
    }
    with bench() as made:
        code = Gate(made, ServiceUser(USER, frozenset({role}))).asked(request_)
        assert code == (None if role in table[request_.service_reference] else "E2")


def test_one_eligible_role_of_several_is_enough() -> None:
    with bench() as made:
        user = ServiceUser(USER, frozenset({UserRole.OU, UserRole.GS}))
        assert Gate(made, user).asked(OF_THE_DCC[0]) is None


def test_every_service_reference_has_its_roles() -> None:
    assert set(ELIGIBLE_ROLES) == set(ServiceReference)


@pytest.mark.parametrize("target", [PPMID, HUB, STRANGER], ids=str)
@pytest.mark.parametrize("request_", OF_THE_DCC, ids=lambda one: type(one).__name__)
def test_what_the_dcc_serves_itself_has_the_dcc_as_its_target(
    request_: ServiceRequest, target: Eui64
) -> None:
    with bench() as made:
        assert Gate(made).asked(aimed(request_, target)) == "E11"


@pytest.mark.parametrize("target", [STRANGER, DCC], ids=str)
@pytest.mark.parametrize("request_", OF_DEVICES, ids=lambda one: type(one).__name__)
def test_a_target_that_the_inventory_does_not_have_is_refused(
    request_: ServiceRequest, target: Eui64
) -> None:
    with bench() as made:
        assert Gate(made).asked(aimed(request_, target)) == "E19"


@pytest.mark.parametrize("device_type", DeviceType)
@pytest.mark.parametrize("request_", OF_DEVICES, ids=lambda one: type(one).__name__)
def test_a_request_is_for_some_types_of_device(request_: ServiceRequest, device_type: DeviceType) -> None:
    table = {
        "8.11": {"CHF"},
        "11.2": {"ESME", "GSME", "HCALCS", "PPMID"},
        "11.3": {"ESME", "GSME", "HCALCS"},
    }
    with bench() as made:
        made.inventory.put(record(STRANGER, device_type))
        code = Gate(made).asked(aimed(request_, STRANGER))
        assert code == (None if device_type in table[request_.service_reference] else "E11")


@pytest.mark.parametrize("status", DeviceStatus)
@pytest.mark.parametrize("request_", OF_DEVICES[:3], ids=lambda one: type(one).__name__)
def test_a_device_that_is_not_on_the_han_is_sent_nothing(
    request_: ServiceRequest, status: DeviceStatus
) -> None:
    with bench() as made:
        made.inventory.put(record(STRANGER, DeviceType.ESME, status))
        code = Gate(made).asked(aimed(request_, STRANGER))
        assert code == (None if status in TARGET_STATUSES else "E5")
    assert DeviceStatus.COMMISSIONED in TARGET_STATUSES
    assert TARGET_STATUSES.isdisjoint(
        {DeviceStatus.PENDING, DeviceStatus.WHITELISTED, DeviceStatus.WITHDRAWN}
    )


@pytest.mark.parametrize("request_", [ADD, REMOVE])
def test_only_a_known_device_is_added_to_the_device_log_or_removed(request_: UpdateHanDeviceLog) -> None:
    with bench() as made:
        assert Gate(made).asked(replace(request_, device_id=STRANGER)) == "E19"


@pytest.mark.parametrize("device_type", DeviceType)
@pytest.mark.parametrize("request_", [ADD, REMOVE])
def test_the_device_log_takes_devices_that_the_hub_knows(
    request_: UpdateHanDeviceLog, device_type: DeviceType
) -> None:
    with bench() as made:
        made.inventory.put(record(STRANGER, device_type))
        code = Gate(made).asked(replace(request_, device_id=STRANGER))
        assert code == (None if device_type in {"ESME", "GSME", "HCALCS", "PPMID"} else "E11")


@pytest.mark.parametrize("status", DeviceStatus)
def test_a_device_that_may_not_come_back_is_not_added_but_may_be_removed(status: DeviceStatus) -> None:
    with bench() as made:
        gate = Gate(made)
        made.inventory.put(record(PPMID, status=status))
        assert gate.asked(ADD) == (None if status in ADDED_FROM else "E5")
        assert gate.asked(REMOVE) is None
    assert ADDED_FROM.isdisjoint(
        {DeviceStatus.SUSPENDED, DeviceStatus.WITHDRAWN, DeviceStatus.DECOMMISSIONED}
    )


def test_a_local_user_needs_no_role_but_a_target_that_is_there() -> None:
    with bench(InventorySettings(require_inventory=True)) as made:
        gate = Gate(made, ServiceUser(STRANGER))
        for request in REQUESTS:
            assert gate.asked(request, signer=None) is None
        assert gate.asked(aimed(OF_DEVICES[0], STRANGER), signer=None) == "E19"
        assert gate.asked(aimed(OF_DEVICES[0], PPMID), signer=None) == "E11"


def test_of_several_faults_the_first_rule_speaks() -> None:
    with bench() as made:
        request = aimed(OF_DEVICES[0], STRANGER)
        suspended = ServiceUser(USER, frozenset({UserRole.OU}), suspended=True)
        other = ServiceUser(USER, frozenset({UserRole.OU}))
        assert Gate(made, suspended).asked(request, STRANGER, Service.SEND) == "E1"
        assert Gate(made, suspended).asked(request, service=Service.SEND) == "E3"
        assert Gate(made, other).asked(request, service=Service.SEND) == "E13"
        assert Gate(made, other).asked(request) == "E2"
        assert Gate(made).asked(request) == "E19"


@pytest.mark.parametrize(
    ("user", "signer", "service"),
    [
        (ServiceUser(USER), STRANGER, None),
        (ServiceUser(STRANGER), USER, None),
        (ServiceUser(USER, suspended=True), USER, None),
        (ServiceUser(USER), USER, Service.SEND),
        (ServiceUser(USER, frozenset({UserRole.OU})), USER, None),
    ],
)
def test_what_access_control_refuses_uses_up_nobodys_request_id(
    user: ServiceUser, signer: Eui64, service: Service | None
) -> None:
    with bench() as made:
        submission = Submission(REQUESTS[0], service, signer, bytes(32))
        with pytest.raises(RequestRejectedError) as caught:
            authorise(submission, ServiceUsers([user]), made.inventory, dcc=DCC)
        assert caught.value.may_be_repeated


# -- service users -----------------------------------------------------------------------------------------


def test_service_users_are_found_by_their_id() -> None:
    users = ServiceUsers([ServiceUser(USER, answer_url="http://127.0.0.1:9000/answers"), ServiceUser(DCC)])
    found = users.find(USER)
    assert found is not None
    assert found.answer_url == "http://127.0.0.1:9000/answers"
    assert users.find(STRANGER) is None
    assert [user.eui64 for user in users] == [USER, DCC]
    assert len(users) == 2


def test_a_service_user_is_there_once_and_has_a_role() -> None:
    with pytest.raises(ConfigError, match="twice"):
        ServiceUsers([ServiceUser(USER), ServiceUser(USER)])
    with pytest.raises(ConfigError, match="no User Role"):
        ServiceUser(USER, frozenset())
