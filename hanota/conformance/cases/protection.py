"""Whether a message of a device is what it is to be: signed, or with a MAC, and of its use case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.conformance.errors import CaseFailedError, NotReachedError
from hanota.errors import HanotaError, RemoteProtocolError
from hanota.gbcs.verification import verify_from_device

if TYPE_CHECKING:
    from hanota.conformance.messages import Heard
    from hanota.conformance.trial import Trial

_HOUR: Final = 3600.0
_HELD: Final = 1.5 * _HOUR
"""How long a held image is watched: one hourly Upgrade End Request, and what a device might do of itself."""
_CLOCK: Final = 300.0
"""Seconds by which a device's clock may be off the hub's; it reads the Time cluster."""
_WRONG_HASH: Final = bytes(32)
"""Of no image there is."""


def check_protection(trial: Trial, heard: Heard, name: str) -> None:
    """Fail the case unless a message has the device's signature or MAC; a key that misses is no fault."""
    try:
        verify_from_device(heard.octets, trial.device.eui64, trial.rig.keys.dcc)
    except RemoteProtocolError as error:
        raise CaseFailedError(f"a {name} that verifies with the device's certificates", str(error)) from error
    except HanotaError as error:
        raise NotReachedError(f"{name} cannot be verified: {error}") from error
    trial.saw(f"{name} of {len(heard.octets)} octets verifies")
