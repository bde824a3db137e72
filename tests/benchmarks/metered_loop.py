"""Host and emulator in one process and in virtual time, and the processor time of each told apart."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from hanota.emulator.loop import VirtualTimeLoop
from hanota.emulator.serialx_handler import EmulatedSerialTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context

T = TypeVar("T")


class Share(Enum):
    """Whose work the processor does."""

    HOST = auto()
    EMULATOR = auto()


_share: ContextVar[Share] = ContextVar("share", default=Share.HOST)
"""Of the running code: tasks and callbacks inherit it from whoever started them."""


class MeteredLoop(VirtualTimeLoop):
    """Virtual time, in which the thread's processor time is charged to host or emulator.

    Each callback and each step of a task counts for the share it was started under; what asyncio itself does
    between two of them counts for the first.
    """

    def __init__(self) -> None:
        self.charged = dict.fromkeys(Share, 0.0)
        self._running = Share.HOST
        self._since = time.thread_time()
        super().__init__()

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        """Run `callback` under the share of its context."""
        share = _share.get() if context is None else context.get(_share, Share.HOST)
        return super().call_soon(self._run, share, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` under the share of its context."""
        share = _share.get() if context is None else context.get(_share, Share.HOST)
        return super().call_at(when, self._run, share, callback, *args, context=context)

    @contextmanager
    def charging(self, share: Share) -> Iterator[None]:
        """Charge `share` for the block and for what is started in it."""
        before = self._running
        token = _share.set(share)
        self._switch(share)
        try:
            yield
        finally:
            self._switch(before)
            _share.reset(token)

    def read(self) -> dict[Share, float]:
        """Return the seconds charged so far."""
        self._switch(self._running)
        return dict(self.charged)

    def _run(self, share: Share, callback: Callable[..., object], *args: object) -> None:
        if share is not self._running:
            self._switch(share)
        callback(*args)

    def _switch(self, share: Share) -> None:
        now = time.thread_time()
        self.charged[self._running] += now - self._since
        self._running, self._since = share, now


@contextmanager
def metered_port() -> Iterator[None]:
    """Draw the border between host and emulator at the serial port."""
    write, data_received = EmulatedSerialTransport.write, EmulatedSerialTransport.data_received

    def to_ncp(port: EmulatedSerialTransport, data: bytes) -> None:
        with metered_loop().charging(Share.EMULATOR):
            write(port, data)

    def to_host(port: EmulatedSerialTransport, data: bytes) -> None:
        with metered_loop().charging(Share.HOST):
            data_received(port, data)

    with (
        patch.object(EmulatedSerialTransport, "write", to_ncp),
        patch.object(EmulatedSerialTransport, "data_received", to_host),
    ):
        yield


def metered_loop() -> MeteredLoop:
    """Return the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MeteredLoop)
    return loop


def run_metered(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time with a metered port."""
    gc.collect()
    with metered_port(), asyncio.Runner(loop_factory=MeteredLoop) as runner:
        return runner.run(main)
