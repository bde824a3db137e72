"""What every phase of the Upgrade Client shares: the request under way, the timer, what is drained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota.ota.client_events import ImageUpgradeStatus
from hanota.ota.exchange import Exchange
from hanota.ota.settings import OtaClientSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.eui64 import Eui64
    from hanota.ota.client_events import ClientEvent
    from hanota.ota.download import Download
    from hanota.ota.exchange import ClientRequest
    from hanota.ota.fields import ImageId


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """What the device is, as its queries say it: `image.file_version` is the version it runs."""

    image: ImageId
    hardware_version: int | None = None
    node_address: Eui64 | None = None
    """Sent with each Image Block Request, if given."""


class ClientState:
    """The state of one client, and what it drains to its owner."""

    def __init__(
        self,
        identity: ClientIdentity,
        verify: Callable[[bytes], int],
        settings: OtaClientSettings | None = None,
    ) -> None:
        self.identity = identity
        self.settings = settings or OtaClientSettings()
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        self.minimum_block_period = self.settings.minimum_block_period
        """Attribute 0x0009, in the unit of the cluster revision; None where it is not supported."""
        self._verify = verify
        self._download: Download | None = None
        self._exchange = Exchange(self.settings)
        self._timer: float | None = None
        self._outgoing: list[bytes] = []
        self._events: list[ClientEvent] = []

    @property
    def image(self) -> bytes:
        """The octets received so far without a gap, OTA Header first."""
        return bytes(self._download.received) if self._download else b""

    @property
    def file_offset(self) -> int:
        """Attribute 0x0001: where the next block begins."""
        return len(self._download.received) if self._download else 0

    @property
    def image_size(self) -> int:
        """Octets of the image being downloaded, 0 where there is none."""
        return self._download.size if self._download else 0

    @property
    def downloading(self) -> ImageId | None:
        """The image that is being, or was, downloaded."""
        return self._download.image if self._download else None

    def requests(self) -> list[bytes]:
        """Return and forget the ZCL frames to send to the Upgrade Server, in order."""
        drained, self._outgoing = self._outgoing, []
        return drained

    def events(self) -> list[ClientEvent]:
        """Return and forget the events, in order."""
        drained, self._events = self._events, []
        return drained

    def _ask(self, request: ClientRequest, now: float) -> None:
        self._outgoing.append(self._exchange.begin(request))
        self._timer = now + self.settings.response_timeout

    def _settle(self, now: float) -> None:
        """Wait for no answer; a held image goes on asking when to activate."""
        self._exchange.end()
        held = self.image_upgrade_status is ImageUpgradeStatus.WAITING_TO_UPGRADE
        self._timer = now + self.settings.held_interval if held else None

    def _discard(self) -> None:
        self.image_upgrade_status = ImageUpgradeStatus.NORMAL
        self._download = None
