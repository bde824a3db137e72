"""What zigpy's application asks and tells of the devices around it (`application.Gate`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.capture import Capture
    from hanota.radio.frame import ReceivedFrame, SentFrame
    from hanota.radio.inbound import Inbound
    from hanota.radio.joining import JoinWindow
    from hanota.radio.peers import Peers
    from hanota.radio.refusals import Refusals
    from hanota.radio.secure_links import SecureLinks
    from hanota.radio.settings import RadioSettings

DEVICE_ANNCE: Final = 0x0013
"""The ZDO cluster by which a stranger shows itself."""


class HanGate:
    """The gate of a coordinator between its start and its stop."""

    def __init__(
        self,
        settings: RadioSettings,
        clock: Clock,
        peers: Peers,
        window: JoinWindow,
        *,
        listener: RadioListener,
        refusals: Refusals,
        inbound: Inbound,
        links: SecureLinks | None,
        capture: Capture | None,
    ) -> None:
        """`links` are None where no keys are established, `capture` where nobody wants the frames."""
        self._settings, self._clock = settings, clock
        self._peers, self._window, self._listener = peers, window, listener
        self._refusals, self._inbound = refusals, inbound
        self._links, self._capture = links, capture
        self._joined_at: dict[Eui64, float] = {}

    def close(self) -> None:
        """Hear that key establishment has stopped: what libraries tell late is none of its business."""
        self._links = None

    def has_joined(self, device: Eui64) -> bool:
        """Tell whether `device` joined, was interviewed and has not left."""
        return device in self._joined_at

    def take(self, received: ReceivedFrame) -> bool:
        """Take a frame that is the hub's."""
        if self._capture is not None:
            self._capture.received(received, self._peers.device_at(received.nwk))
        return self._inbound.take(received)

    @property
    def captures(self) -> bool:
        """Tell whether there is a capture."""
        return self._capture is not None

    def sending(self, frame: SentFrame) -> None:
        """Capture a frame that goes to the coordinator."""
        if self._capture is not None:
            self._capture.sent(frame, self._peers.device_at(frame.nwk))

    def admits(self, device: Eui64) -> bool:
        """Tell whether `device` is in the Device Log."""
        return self._listener.is_admitted(device)

    def placed(self, device: Eui64, nwk: int) -> None:
        """Note the short address of a device."""
        if self._links is not None:
            self._links.doubt(nwk, self._peers.placed().get(device))
        self._peers.place(device, nwk)

    def joined_afresh(self, device: Eui64) -> None:
        """Hear that a device joined with its install code."""
        self._window.attempted(device)
        if self._links is not None and self.admits(device):
            self._links.establishment.joined_afresh(device)

    def came_back(self, device: Eui64) -> None:
        """Hear that a device joined, in a way that may have cost the coordinator its key."""
        self._window.attempted(device)
        if self._links is not None:
            self._links.establishment.came_back(device)

    def address_changing(self, nwk: int) -> None:
        """Hear that the coordinator is about to be told whose short address `nwk` is."""
        if self._links is not None:
            self._links.senders.change(nwk)

    def address_changed(self, nwk: int) -> None:
        """Hear that it was told."""
        if self._links is not None:
            self._links.senders.changed(nwk)

    def interviewed(self, device: Eui64, endpoints: Mapping[int, int]) -> None:
        """Note the endpoints of a device and tell the hub that it is there."""
        self._peers.learn(device, endpoints)
        self._window.arrived(device)
        now = self._clock.now()
        told = self._joined_at.get(device)
        if told is not None and now - told < self._settings.rejoin_quiet:
            return
        self._joined_at[device] = now
        self._listener.device_joined(device)
        if self._links is None or device in self._links.keys:
            self._listener.device_ready(device)
        else:
            self._links.establishment.expect(device)

    def left(self, device: Eui64) -> None:
        """Forget where a device was and tell the hub."""
        self._peers.displace(device)
        self._joined_at.pop(device, None)
        if self._links is not None:
            self._links.establishment.left(device)
        self._listener.device_left(device)

    def stranger(self, device: Eui64) -> None:
        """Tell the hub of a device on the network that is not in the Device Log."""
        self._refusals.refuse(device, DEVICE_ANNCE, "not in the Device Log: told to leave")

    def malformed(self, nwk: int, cluster: int, reason: str) -> None:
        """Count a frame that was dropped before it became a packet."""
        self._refusals.refuse(self._peers.device_at(nwk), cluster, reason)
