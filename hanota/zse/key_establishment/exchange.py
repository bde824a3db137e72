"""One exchange as the responder holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hanota.zse.key_establishment.server_table import State

if TYPE_CHECKING:
    from hanota.zcl import ZclFrame
    from hanota.zse.cbke import CbkeCredentials, SessionKeys
    from hanota.zse.key_establishment.commands import InitiateKeyEstablishment
    from hanota.zse.key_establishment.settings import KeyEstablishmentSettings


@dataclass(slots=True)
class Exchange:
    """The exchange with one device, of `number`."""

    number: int
    credentials: CbkeCredentials
    initiate: InitiateKeyEstablishment
    state: State = State.IDLE
    deadline: float = 0.0
    keys: SessionKeys | None = field(default=None, repr=False)
    """From their computing until the device proved that it has the same."""
    mac_v: bytes = field(default=b"", repr=False)
    """From then on."""
    sequence: int = 0
    """Of the request to be answered."""
    answer: bytes | None = None
    """The answer to the last request, once there is one."""
    in_flight: int = 0
    """How often the answer was sent without word of its fate."""
    requests: list[ZclFrame] = field(default_factory=list)
    """Those taken so far, one of each kind."""

    def enter(self, state: State, settings: KeyEstablishmentSettings, now: float) -> None:
        """Be in `state`, for as long as it may last; a state that stays does not last longer for it."""
        if state is self.state:
            return
        self.state = state
        self.deadline = now + self._lasts(settings)
        if state is State.WITHDRAWING:
            self.keys, self.mac_v = None, b""

    def take(self, request: ZclFrame) -> None:
        """Note a request that is to be answered."""
        self.requests.append(request)
        self.sequence, self.answer, self.in_flight = request.sequence, None, 0

    def repeats(self, request: ZclFrame) -> bool:
        """Tell whether `request` was taken before: the radio delivered it twice, or somebody replays it."""
        return request in self.requests

    def _lasts(self, settings: KeyEstablishmentSettings) -> float:
        return {
            State.IDLE: 0.0,
            State.INITIATED: self.initiate.ephemeral_time + settings.margin,
            State.COMPUTING: settings.ephemeral_time,
            State.EPHEMERAL_SENT: self.initiate.confirm_time + settings.margin,
            State.INSTALLING: settings.confirm_time,
            State.WITHDRAWING: settings.confirm_time,
            State.CONFIRMING: settings.delivery_time,
            State.CONFIRMED: settings.grace,
        }[self.state]
