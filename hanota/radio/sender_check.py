"""Whose key an encrypted frame came under: the hub's word and the coordinator's must agree.

The coordinator decrypts by what *it* knows of a short address. An insider that announces another device's
EUI-64 at its own short address moves the hub's knowledge alone: its frames, under its own key, would count as
that device's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from hanota.eui64 import Eui64

FOREIGN_KEY: Final = "encrypted under the key of another device"
ADDRESS_CHANGING: Final = "encrypted while its short address was changing"
TOO_MANY: Final = "too many frames whose sender is in doubt"
NO_ANSWER: Final = "the coordinator does not tell whose key it came under"


@dataclass(frozen=True, slots=True)
class _Held:
    """A frame whose sender is in doubt, and what is to be done with it."""

    device: Eui64
    believe: Callable[[], None]
    refuse: Callable[[str], None]


@dataclass(slots=True)
class _Doubt:
    """Frames held for one short address; those that came after a question are not judged by its answer."""

    asked: list[_Held] = field(default_factory=list)
    waiting: list[_Held] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self.asked) + len(self.waiting)

    def clear(self) -> list[_Held]:
        """Take every frame out."""
        held = [*self.asked, *self.waiting]
        self.asked.clear()
        self.waiting.clear()
        return held


class SenderCheck:
    """Asks the coordinator once for each short address, and again after everything said about it."""

    def __init__(
        self,
        limit: int,
        *,
        owner: Callable[[int], Awaitable[Eui64 | None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`limit`: frames held at once; `owner` asks the coordinator; `spawn` runs a task."""
        self._limit, self._owner, self._spawn = limit, owner, spawn
        self._agreed: dict[int, Eui64] = {}
        self._held: dict[int, _Doubt] = {}
        self._doubted: set[int] = set()
        self._changing: Counter[int] = Counter()

    def examine(
        self, nwk: int, device: Eui64, believe: Callable[[], None], refuse: Callable[[str], None]
    ) -> None:
        """Call one of the two for an encrypted frame of `device` from `nwk`: now, or when it is known."""
        if self._changing[nwk]:
            refuse(ADDRESS_CHANGING)
        elif self._agreed.get(nwk) == device and nwk not in self._held:
            believe()
        elif sum(doubt.frames for doubt in self._held.values()) >= self._limit:
            refuse(TOO_MANY)
        else:
            asking = nwk in self._held
            self._held.setdefault(nwk, _Doubt()).waiting.append(_Held(device, believe, refuse))
            if not asking:
                self._spawn(self._ask(nwk))

    async def may_be(self, nwk: int, device: Eui64) -> bool:
        """Tell that the coordinator does not take `nwk` for another device's than `device`."""
        if self._agreed.get(nwk) == device:
            return True
        owner = await self._answer(nwk)
        return isinstance(owner, str) or owner in {None, device}

    def doubt(self, nwk: int) -> None:
        """Believe nothing of `nwk` any more until it is asked for: somebody said something about it."""
        self._agreed.pop(nwk, None)
        self._doubted.add(nwk)

    def change(self, nwk: int) -> None:
        """Hear that the coordinator is about to be told another owner of `nwk`; frames till then are void."""
        self._changing[nwk] += 1
        self.doubt(nwk)
        for frame in self._held[nwk].clear() if nwk in self._held else ():
            frame.refuse(ADDRESS_CHANGING)

    def changed(self, nwk: int) -> None:
        """Hear that it was told; one of an earlier life of the coordinator counts for nothing."""
        if self._changing[nwk]:
            self._changing[nwk] -= 1

    def reset(self) -> None:
        """Forget what was agreed: it was with another life of the coordinator."""
        self._agreed.clear()
        self._changing.clear()
        for doubt in self._held.values():
            for frame in doubt.clear():
                frame.refuse(NO_ANSWER)
        self._held.clear()

    async def _ask(self, nwk: int) -> None:
        """Judge the frames held; for those that come while the question is under way, ask again."""
        doubt = self._held[nwk]
        try:
            while doubt.waiting:
                doubt.asked, doubt.waiting = doubt.waiting, []
                self._doubted.discard(nwk)
                owner = await self._answer(nwk)
                held, doubt.asked = doubt.asked, []
                for frame in held:
                    self._judge(nwk, frame, owner)
        finally:
            # Cancelled too: what stays held takes the room of others, and is never asked about again.
            if self._held.get(nwk) is doubt:
                del self._held[nwk]

    def _judge(self, nwk: int, frame: _Held, owner: Eui64 | str | None) -> None:
        if isinstance(owner, str):
            frame.refuse(owner)
        elif owner != frame.device:
            frame.refuse(FOREIGN_KEY)
        else:
            if nwk not in self._doubted:
                self._agreed[nwk] = frame.device
            frame.believe()

    async def _answer(self, nwk: int) -> Eui64 | str | None:
        try:
            return await self._owner(nwk)
        except Exception:  # noqa: BLE001  # the radio libraries raise whatever they like
            return NO_ANSWER
