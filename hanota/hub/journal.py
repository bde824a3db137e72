"""The journal: events are stored first and told afterwards, in one order, to everybody who listens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.events import Event, EventKind, Json, Party
    from hanota.hub.ports import Store


class Journal:
    """Appends events to the store and fans them out once they are committed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._listeners: list[Callable[[Event], None]] = []
        self._followers: list[Callable[[Event], None]] = []
        self._undo: list[Callable[[], None]] = []
        self._effects: list[Callable[[], None]] = []
        self._depth = 0
        self._telling = self._acting = False
        self._committed: list[Event] = []

    def record(
        self,
        kind: EventKind,
        source: Party,
        target: Party,
        *,
        device: Eui64 | None = None,
        job: int | None = None,
        detail: Mapping[str, Json] | None = None,
    ) -> Event:
        """Store one event and return it; listeners hear of it when the transaction has committed."""
        with self.transaction():
            event = self._store.append_event(
                self._clock.now(), kind, source, target, device=device, job=job, detail=detail or {}
            )
            self._committed.append(event)
            for follower in self._followers:
                follower(event)
        return event

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit rows and events of the block together; keep nothing where StoreError is raised."""
        mark = len(self._committed)
        self._depth += 1
        try:
            with self._store.transaction():
                yield
        except BaseException:
            del self._committed[mark:]
            if self._depth == 1:  # an inner block has failed the whole, which cannot be read before its end
                self._effects.clear()
                for undo in self._undo:
                    undo()
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._tell()
            self._act()

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Call `effect` once the transaction has committed and is told, at once where there is none.

        Effects outside the store belong here: none comes of a transaction that keeps nothing.
        """
        if self._depth == 0:
            effect()
        else:
            self._effects.append(effect)

    def accompany(self, follower: Callable[[Event], None]) -> None:
        """Call `follower` with each event inside its transaction: what it writes is kept with the event."""
        self._followers.append(follower)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each committed event, in order; return the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Call `undo` whenever a transaction keeps nothing, so that what is in memory follows the store."""
        self._undo.append(undo)

    def _tell(self) -> None:
        # A listener may record events of its own: they wait their turn, so all listeners see one order.
        if self._telling:
            return
        self._telling = True
        try:
            while self._committed:
                event = self._committed.pop(0)
                for listener in tuple(self._listeners):
                    listener(event)
        finally:
            self._telling = False

    def _act(self) -> None:
        # Effects and listeners may have transactions of their own: what follows of them waits its turn.
        if self._acting or self._telling:
            return
        self._acting = True
        try:
            while self._effects:
                self._effects.pop(0)()
        except Exception:
            self._acting = False
            self._act()  # the others are due, whatever becomes of this one
            raise
        finally:
            self._acting = False
