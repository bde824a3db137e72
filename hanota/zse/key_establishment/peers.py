"""What the responder remembers of each device beyond one exchange: attempts and ephemeral keys seen."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.zse.key_establishment.settings import KeyEstablishmentSettings


class Peer:
    """One device: when it began exchanges, and the ephemeral keys of the last ones, ours and its own."""

    def __init__(self, settings: KeyEstablishmentSettings) -> None:
        self._window = settings.attempts_window
        self._attempts: deque[float] = deque(maxlen=settings.attempts)
        self._ephemerals: deque[bytes] = deque(maxlen=settings.remembered_ephemerals)
        self.excess = 0
        """Attempts refused since the last one that was let through."""

    def attempt(self, now: float) -> bool:
        """Count an attempt to begin; tell whether it is one of those the window has room for."""
        oldest = self._attempts[0] if len(self._attempts) == self._attempts.maxlen else None
        if oldest is not None and now - oldest < self._window:
            self.excess += 1
            return False
        self.excess = 0
        self._attempts.append(now)
        return True

    def remember(self, ephemeral: bytes) -> None:
        """Remember an ephemeral key that was shown."""
        self._ephemerals.append(_x(ephemeral))

    def has_seen(self, ephemeral: bytes) -> bool:
        """Tell whether that key, or the one of opposite sign, was shown in one of the last exchanges."""
        return _x(ephemeral) in self._ephemerals


class Peers:
    """The devices heard of last; the one silent for longest makes room for the next."""

    def __init__(self, settings: KeyEstablishmentSettings) -> None:
        self._settings = settings
        self._peers: OrderedDict[Eui64, Peer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._peers)

    def of(self, device: Eui64) -> Peer:
        """Return what is remembered of `device`, from now on if nothing was."""
        peer = self._peers.get(device)
        if peer is None:
            peer = self._peers[device] = Peer(self._settings)
            if len(self._peers) > self._settings.devices:
                self._peers.popitem(last=False)
        self._peers.move_to_end(device)
        return peer


def _x(ephemeral: bytes) -> bytes:
    """Return the point without its sign, which a reflection may turn at no cost."""
    return ephemeral[1:]
