"""The DCC's three services, and which of them a Service Request is to be sent to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hanota.duis.request import CommandVariant

if TYPE_CHECKING:
    from hanota.duis.request import ServiceRequest


class Service(StrEnum):
    """A service of the DCC, by the name it has in DCC Boxed's addresses."""

    NON_DEVICE = "serviceD"
    """Requests the DCC serves itself."""
    SEND = "serviceS"
    """Requests that become a command, and Signed Pre-Commands."""
    TRANSFORM = "serviceT"
    """Requests that become a Pre-Command, returned for signature."""


_SERVICES: Final = {
    CommandVariant.COMMAND: Service.SEND,
    CommandVariant.PRE_COMMAND: Service.TRANSFORM,
    CommandVariant.SIGNED_PRE_COMMAND: Service.SEND,
    CommandVariant.DCC_ONLY: Service.NON_DEVICE,
}


def service_of(request: ServiceRequest) -> Service:
    """Return the service that takes `request`: it follows from the Command Variant."""
    return _SERVICES[request.command_variant]
