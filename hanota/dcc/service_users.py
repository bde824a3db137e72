"""Service users: who may send Service Requests, in which User Roles, and where answers go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hanota.duis.request import ServiceReference
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hanota.eui64 import Eui64


class UserRole(StrEnum):
    """User Role (Smart Energy Code)."""

    IS = "IS"
    """Import Supplier."""
    ES = "ES"
    """Export Supplier."""
    GS = "GS"
    """Gas Supplier."""
    RSA = "RSA"
    """Registered Supplier Agent."""
    ED = "ED"
    """Electricity Distributor."""
    GT = "GT"
    """Gas Transporter."""
    OU = "OU"
    """Other User."""


_SUPPLIERS: Final = frozenset({UserRole.IS, UserRole.GS})
_EVERYBODY: Final = frozenset(UserRole)

ELIGIBLE_ROLES: Final = {
    ServiceReference.READ_INVENTORY: _EVERYBODY,
    ServiceReference.UPDATE_HAN_DEVICE_LOG: _SUPPLIERS,
    ServiceReference.UPDATE_FIRMWARE: _SUPPLIERS,
    ServiceReference.READ_FIRMWARE_VERSION: _EVERYBODY,
    ServiceReference.ACTIVATE_FIRMWARE: _SUPPLIERS,
    ServiceReference.UPDATE_PPMID_FIRMWARE: _SUPPLIERS,
}
"""Which User Roles may send each Service Request."""


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """One service user."""

    eui64: Eui64
    """Its ID: the originator in its RequestIDs, and the subject of its certificates."""
    roles: frozenset[UserRole] = frozenset({UserRole.IS})
    answer_url: str | None = None
    """Where responses and alerts are posted to; None: nowhere, they are not kept."""
    suspended: bool = False

    def __post_init__(self) -> None:
        if not self.roles:
            raise ConfigError(f"service user {self.eui64} has no User Role")


class ServiceUsers:
    """The service users of the settings."""

    def __init__(self, users: Iterable[ServiceUser] = ()) -> None:
        """Raise ConfigError where one is named twice."""
        self._users: dict[Eui64, ServiceUser] = {}
        for user in users:
            if user.eui64 in self._users:
                raise ConfigError(f"service user {user.eui64} is there twice")
            self._users[user.eui64] = user

    def find(self, eui64: Eui64) -> ServiceUser | None:
        """Return a user, None where there is none of that ID."""
        return self._users.get(eui64)

    def __iter__(self) -> Iterator[ServiceUser]:
        return iter(self._users.values())

    def __len__(self) -> int:
        return len(self._users)
