"""Where handshakes are computed: off the event loop, which serves the radio meanwhile."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from hanota.zse.cbke import why_not_accelerated

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    R = TypeVar("R")

logger = logging.getLogger(__name__)


class Computing:
    """Threads where libcrypto computes, which lets others run; else a process, for the interpreter's lock."""

    def __init__(self, threads: int, *, accelerated: bool | None = None) -> None:
        """`accelerated`: None is whatever this machine has."""
        self._threads, self._accelerated = threads, accelerated
        self._executor: Executor | None = None

    async def start(self) -> None:
        """Look for libcrypto, which is checked against our own arithmetic once; that takes a while too."""
        if self._accelerated is None:
            why_not = await asyncio.get_running_loop().run_in_executor(None, why_not_accelerated)
            self._accelerated = why_not is None
            if why_not is not None:
                logger.info("key establishment is computed in pure Python: %s", why_not)

    async def run(self, work: Callable[[], R]) -> R:
        """Return what `work` returns; it must be picklable. Raises what it raises, or the executor."""
        if self._executor is None:
            self._executor = self._make()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except BrokenProcessPool:
            self.stop()
            raise

    def stop(self) -> None:
        """Let go of threads and process; what waits is not computed any more."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _make(self) -> Executor:
        if self._accelerated:
            return ThreadPoolExecutor(self._threads, thread_name_prefix="key-establishment")
        # Spawned, because a fork would copy the serial line and whatever locks other threads hold.
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
