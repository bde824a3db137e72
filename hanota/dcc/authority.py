"""Whether a service user may send a Service Request, and its target may be sent it: DUIS access control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.dcc import codes
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.service_users import ELIGIBLE_ROLES
from hanota.dcc.services import service_of
from hanota.duis.inventory import DeviceStatus, DeviceType
from hanota.duis.request import (
    CommandVariant,
    HanDeviceLogChange,
    ServiceReference,
    UpdateHanDeviceLog,
)

if TYPE_CHECKING:
    from hanota.dcc.device_record import DeviceRecord
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.service_users import ServiceUser, ServiceUsers
    from hanota.dcc.submission import Submission
    from hanota.duis.response_code import ResponseCode
    from hanota.eui64 import Eui64

_METERS: Final = frozenset({DeviceType.ESME, DeviceType.GSME})

TARGET_TYPES: Final = {
    ServiceReference.READ_FIRMWARE_VERSION: _METERS | {DeviceType.HCALCS, DeviceType.PPMID},
    ServiceReference.ACTIVATE_FIRMWARE: _METERS | {DeviceType.HCALCS},
    ServiceReference.UPDATE_HAN_DEVICE_LOG: frozenset({DeviceType.CHF}),
}
"""Which devices a Service Request may have as its target; the others have the DCC. CS06 is no PPMID's."""

TARGET_STATUSES: Final = frozenset(
    {
        DeviceStatus.INSTALLED_NOT_COMMISSIONED,
        DeviceStatus.COMMISSIONED,
        DeviceStatus.SUSPENDED,
        DeviceStatus.RECOVERY,
        DeviceStatus.RECOVERED,
    }
)
"""In which states a device is sent commands: it is on the HAN. A suspended one is, since its firmware is what
it is suspended for."""

LOGGED_TYPES: Final = frozenset({DeviceType.HCALCS, DeviceType.PPMID}) | _METERS
"""Which devices the hub takes into its Device Log."""

ADDED_FROM: Final = frozenset(
    {
        DeviceStatus.PENDING,
        DeviceStatus.WHITELISTED,
        DeviceStatus.INSTALLED_NOT_COMMISSIONED,
        DeviceStatus.COMMISSIONED,
    }
)
"""In which states a device may be added to the Device Log."""
_UNKNOWN: Final = (
    "it learns of devices from `devices` in the settings, or by REST: PUT /devices/EUI64/inventory"
)


def authorise(submission: Submission, users: ServiceUsers, inventory: Inventory, *, dcc: Eui64) -> None:
    """Raise RequestRejectedError for the first of these rules that is broken.

    | | rule | code |
    |---|---|---|
    | 1 | the RequestID's originator is who signed | E1 |
    | 2 | the originator is a service user | E1 |
    | 3 | the user is not suspended | E3 |
    | 4 | the request was sent to the service for its Command Variant | E13 |
    | 5 | one of the user's roles may send the Service Request (`ELIGIBLE_ROLES`) | E2 |
    | 6 | the target is the DCC, `dcc`, for a request that it serves itself | E11 |
    | 7 | any other target is in the inventory | E19 |
    | 8 | the Service Request is for that type of device (`TARGET_TYPES`) | E11 |
    | 9 | the target is in one of `TARGET_STATUSES` | E5 |
    | 10 | 8.11: the device to be added or removed is in the inventory | E19 |
    | 11 | 8.11: it is of a type that the hub takes (`LOGGED_TYPES`) | E11 |
    | 12 | 8.11: one to be added is in one of `ADDED_FROM` | E5 |

    Nothing is kept of a request that is refused here: it uses up no RequestID, least of all another user's,
    and may come again.

    Rules 1, 2, 3 and 5 do not hold for a local user, who is authenticated elsewhere. A Command Variant that
    the Service Request does not have (E12) makes no submission. E4 is not given: a bench has no registration
    data that would say who supplies which device. The user's roles are those of the whole user, since a
    RequestID names no role.
    """
    user = None if submission.signer is None else _user(submission, submission.signer, users)
    _check_service(submission)
    if user is not None:
        _check_role(submission, user)
    _check_target(submission, inventory, dcc)
    if isinstance(submission.request, UpdateHanDeviceLog):
        _check_logged(submission.request, inventory)


def _user(submission: Submission, signer: Eui64, users: ServiceUsers) -> ServiceUser:
    originator = submission.request.request_id.originator
    if originator != signer:
        words = f"the RequestID's originator is {originator}, and {signer} signed"
        raise _refusal(codes.NO_SUCH_USER, words)
    user = users.find(originator)
    if user is None:
        raise _refusal(codes.NO_SUCH_USER, f"{originator} is no service user here")
    if user.suspended:
        raise _refusal(codes.USER_SUSPENDED, f"service user {originator} is suspended")
    return user


def _check_service(submission: Submission) -> None:
    expected = service_of(submission.request)
    if submission.service not in (None, expected):
        words = f"{submission.service} is not the service for this request, {expected} is"
        raise _refusal(codes.WRONG_SERVICE, words)


def _check_role(submission: Submission, user: ServiceUser) -> None:
    reference = submission.request.service_reference
    eligible = ELIGIBLE_ROLES[reference]
    if not user.roles & eligible:
        may, is_ = ", ".join(sorted(eligible)), ", ".join(sorted(user.roles))
        raise _refusal(codes.ROLE_NOT_ELIGIBLE, f"{reference} is for {may}; {user.eui64} is {is_}")


def _check_target(submission: Submission, inventory: Inventory, dcc: Eui64) -> None:
    request, target = submission.request, submission.request.request_id.target
    if request.command_variant is CommandVariant.DCC_ONLY:
        if target != dcc:
            raise _refusal(
                codes.WRONG_DEVICE_TYPE,
                f"the DCC serves {request.service_reference} itself: its target is {dcc}, not {target}",
            )
        return
    record = inventory.device(target)
    if record is None:
        raise _refusal(codes.UNKNOWN_DEVICE, f"{target} is not in the inventory", _UNKNOWN)
    types = TARGET_TYPES[request.service_reference]
    if record.device_type not in types:
        expected = ", ".join(sorted(types))
        raise _refusal(
            codes.WRONG_DEVICE_TYPE,
            f"{request.service_reference} is for {expected}; {target} is {record.device_type}",
        )
    if record.status not in TARGET_STATUSES:
        raise _refusal(
            codes.DEVICE_STATUS, f"{target} is {record.status} in the inventory", _wait_for(record)
        )


def _check_logged(request: UpdateHanDeviceLog, inventory: Inventory) -> None:
    record = inventory.device(request.device_id)
    if record is None:
        raise _refusal(codes.UNKNOWN_DEVICE, f"{request.device_id} is not in the inventory", _UNKNOWN)
    if record.device_type not in LOGGED_TYPES:
        raise _refusal(
            codes.WRONG_DEVICE_TYPE, f"the hub's Device Log takes no {record.device_type}: {record.eui64}"
        )
    if request.request_type is HanDeviceLogChange.ADD and record.status not in ADDED_FROM:
        raise _refusal(
            codes.DEVICE_STATUS,
            f"{record.eui64} is {record.status} in the inventory",
            f"one to be added has to be one of {', '.join(sorted(ADDED_FROM))}",
        )


def _wait_for(record: DeviceRecord) -> str:
    if record.status is DeviceStatus.WHITELISTED:
        return "it has not joined yet: switch it on, and wait until it is Commissioned"
    return f"it has to be one of {', '.join(sorted(TARGET_STATUSES))}"


def _refusal(code: ResponseCode, words: str, hint: str | None = None) -> RequestRejectedError:
    return RequestRejectedError(words, code=code, hint=hint, may_be_repeated=True)
