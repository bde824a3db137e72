"""The life of a coordinator: opened, watched, and opened again whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.radio.diagnosis import hint, reason
from hanota.radio.outbound import Session, unless_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Protocol

    from hanota.radio.application import HanApplication
    from hanota.radio.settings import RadioSettings
    from hanota.radio.url import RadioUrl

    class Owner(Protocol):
        """Whose coordinator it is."""

        def application(self, lost: Callable[[str], None]) -> HanApplication:
            """Make an application that is not started; `lost` is called when its coordinator is gone."""
            ...

        async def opened(self, app: HanApplication) -> None:
            """Take a coordinator that was just opened, or raise."""
            ...

        def online(self, session: Session) -> None:
            """Hear that the coordinator may be used."""
            ...

        def keep_window(self, app: HanApplication) -> Coroutine[Any, Any, None]:
            """Keep the join window on `app` until cancelled."""
            ...

        def lost(self, reason: str) -> None:
            """Hear that the coordinator is lost."""
            ...

        def offline(self) -> None:
            """Hear that the session has ended, whoever ended it."""
            ...

        def text(self, text: str) -> str:
            """Return what a library said without any key."""
            ...


logger = logging.getLogger(__name__)


class Supervision:
    """Opens the coordinator at `url` for its owner, and keeps it open."""

    def __init__(self, url: RadioUrl, settings: RadioSettings, owner: Owner) -> None:
        self._url, self._settings, self._owner = url, settings, owner
        self._untaken: Session | None = None

    async def open(self) -> Session:
        """Open one session; raise RadioError, or ConfigError where the user must act."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(why: str) -> None:
            if not lost.done():
                lost.set_result(self._owner.text(why))

        app = self._owner.application(on_lost)
        session = Session(app, lost)
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                await unless_lost(session, app.startup(auto_form=True))
                await unless_lost(session, self._owner.opened(app))
        except BaseException as error:
            await self._close(session)
            if isinstance(error, HanotaError) or not isinstance(error, Exception):
                raise
            raise RadioError(
                f"cannot open {self._url}: {self._owner.text(reason(error))}", hint=hint(error)
            ) from error
        return session

    def keep(self, session: Session) -> asyncio.Task[None]:
        """Start waiting for the coordinator to be lost and opening it again, until cancelled."""
        self._untaken = session
        task = asyncio.create_task(self._keep(session), name="radio supervisor")
        task.add_done_callback(_report_failure)
        return task

    async def close_untaken(self) -> None:
        """Close the session of a task that was cancelled before its first turn: none of it has run."""
        session, self._untaken = self._untaken, None
        if session is not None:
            self._owner.offline()
            await self._close(session)

    async def _keep(self, session: Session) -> None:
        self._untaken = None
        while True:
            window = asyncio.create_task(self._owner.keep_window(session.app), name="join window")
            try:
                # Shielded, because everybody who sends waits for it too.
                why = await asyncio.shield(session.lost)
                self._owner.lost(why)
            finally:
                self._owner.offline()
                if not session.lost.done():
                    session.lost.set_result("it was stopped")
                window.cancel()
                await asyncio.gather(window, return_exceptions=True)
                await self._close(session)
            session = await self._reopen()
            self._owner.online(session)

    async def _reopen(self) -> Session:
        delay = self._settings.reconnect_delay
        while True:
            await asyncio.sleep(delay)
            try:
                return await self.open()
            except (RadioError, ConfigError) as error:
                logger.warning("%s", error)
            delay = min(2 * delay, self._settings.reconnect_delay_limit)

    async def _close(self, session: Session) -> None:
        try:
            async with asyncio.timeout(self._settings.stop_timeout):
                await session.app.shutdown()
        except Exception as error:  # noqa: BLE001  # closing what is broken breaks in any way
            logger.warning("closing %s: %s", self._url, self._owner.text(reason(error)))


def _report_failure(supervisor: asyncio.Task[None]) -> None:
    """Say so when the supervisor breaks, as it does when the listener raises: nobody awaits it."""
    if not supervisor.cancelled() and supervisor.exception() is not None:
        logger.critical("the coordinator is watched no more", exc_info=supervisor.exception())
