"""Which sessions are being served blocks: what decides it, and the rule where the owner has none."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanota.eui64 import Eui64


class Admission(Protocol):
    """Decides which of the devices that ask for blocks is served; asked with every request."""

    def wait(self, device: Eui64, now: float) -> int | None:
        """Return how many seconds `device` is to wait with its request, None where it is served now."""
        ...

    def served(self, device: Eui64, octets: int, now: float) -> None:
        """Note that `device` is served a block, or a page (0 octets) whose blocks follow."""
        ...

    def free(self, device: Eui64) -> None:
        """Note that `device` asks for no more."""
        ...


class TransferSlots:
    """At most `limit` devices at once; a slot falls free after `idle_seconds` without a block."""

    __slots__ = ("_held", "_idle_seconds", "_limit", "_wait_seconds")

    def __init__(self, limit: int, idle_seconds: float, wait_seconds: int) -> None:
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._idle_seconds = idle_seconds
        self._held: OrderedDict[Eui64, float] = OrderedDict()
        """When a block was last served, the longest ago first."""

    def wait(self, device: Eui64, now: float) -> int | None:
        """Serve `device` if it holds a slot, or one is free."""
        held = self._held
        while held and now - next(iter(held.values())) >= self._idle_seconds:
            held.popitem(last=False)
        return None if device in held or len(held) < self._limit else self._wait_seconds

    def served(self, device: Eui64, octets: int, now: float) -> None:  # noqa: ARG002  # a slot has no size
        """Keep its slot for `device`."""
        self._held[device] = now
        self._held.move_to_end(device)

    def free(self, device: Eui64) -> None:
        """Give the slot back, if `device` holds one."""
        self._held.pop(device, None)
