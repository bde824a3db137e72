"""The listener's faults kept from the radio: what it raises is logged, and the radio goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec, TypeVar

    from hanota.eui64 import Eui64
    from hanota.hub.ports import EstablishedKey, HanFrame, RadioListener, RadioState

    P = ParamSpec("P")
    R = TypeVar("R")

logger = logging.getLogger(__name__)


class GuardedListener:
    """A RadioListener that never raises; a device that it cannot tell of is not admitted."""

    def __init__(self, listener: RadioListener) -> None:
        self._listener = listener

    def is_admitted(self, device: Eui64) -> bool:
        """Ask whether `device` is in the Device Log."""
        return _guard(self._listener.is_admitted, device) is True

    def frame_received(self, frame: HanFrame) -> None:
        """Pass on a frame."""
        _guard(self._listener.frame_received, frame)

    def frame_refused(self, device: Eui64 | None, cluster: int, reason: str) -> None:
        """Tell of a refused frame."""
        _guard(self._listener.frame_refused, device, cluster, reason)

    def device_joined(self, device: Eui64) -> None:
        """Tell that a device joined."""
        _guard(self._listener.device_joined, device)

    def join_window_closed(self, device: Eui64) -> None:
        """Tell that a device may not join any more."""
        _guard(self._listener.join_window_closed, device)

    def device_ready(self, device: Eui64) -> None:
        """Tell that a device may be talked to."""
        _guard(self._listener.device_ready, device)

    def link_key_established(self, device: Eui64, key: EstablishedKey) -> None:
        """Tell of a link key; whether it was stored is for `established_keys` to say."""
        _guard(self._listener.link_key_established, device, key)

    def link_key_lost(self, device: Eui64, reason: str) -> None:
        """Tell of a link key that is good no more."""
        _guard(self._listener.link_key_lost, device, reason)

    def key_establishment_failed(self, device: Eui64, reason: str) -> None:
        """Tell of a key establishment that ended without a key."""
        _guard(self._listener.key_establishment_failed, device, reason)

    def established_keys(self) -> Mapping[Eui64, EstablishedKey]:
        """Ask for the link keys that are stored; a listener that fails has none."""
        return _guard(self._listener.established_keys) or {}

    def device_left(self, device: Eui64) -> None:
        """Tell that a device left."""
        _guard(self._listener.device_left, device)

    def radio_state_changed(self, state: RadioState, reason: str) -> None:
        """Tell that the coordinator came or went."""
        _guard(self._listener.radio_state_changed, state, reason)


def _guard(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    try:
        return call(*args, **kwargs)
    except Exception:
        logger.exception("the listener failed")
        return None
