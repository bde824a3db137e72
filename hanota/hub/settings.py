"""Everything about the hub that may be set."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanota.hub.activation_watch import ActivationSettings
from hanota.hub.image_library import ImageLibrarySettings
from hanota.hub.refusals import RefusalSettings
from hanota.hub.retries import RetrySettings
from hanota.hub.scheduler import SchedulerSettings
from hanota.ota.settings import OtaServerSettings
from hanota.zse.tunneling import TunnelClientSettings


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The hub's limits."""

    frames_waiting: int = 16
    """Frames queued for one device; what it asks for faster than the radio carries is lost."""
    acknowledge_blocks: bool = True
    """Whether an Image Block Response asks for an APS acknowledgement, by which a lost one is noticed at once
    and too long ones are told apart. Without it a block costs a quarter less air and is lost as little, as
    the client asks again; only it asks after seconds. Those of a page never do, as the standard has it."""
    progress_interval: float = 10
    """Seconds between progress events of one transfer: a journal is kept, so it must stay small."""
    upgrade_lead: float = 600
    """Seconds before its time at which a PPMID that is to activate later gets its last block, and its Upgrade
    Time with it: time for stragglers to ask, and below the hour to which common clients cut a longer wait."""
    activation: ActivationSettings = field(default_factory=ActivationSettings)
    refusals: RefusalSettings = field(default_factory=RefusalSettings)
    retries: RetrySettings = field(default_factory=RetrySettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    images: ImageLibrarySettings = field(default_factory=ImageLibrarySettings)
    ota: OtaServerSettings = field(default_factory=OtaServerSettings)
    tunnel: TunnelClientSettings = field(default_factory=TunnelClientSettings)
