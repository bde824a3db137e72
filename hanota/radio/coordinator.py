"""The coordinator: hub.ports.HanRadio on a zigpy application, opened again whenever it is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.radio.application import to_eui64
from hanota.radio.diagnosis import hint, reason
from hanota.radio.families import FAMILIES, application_config, hold_back_keys
from hanota.radio.inbound import Answer, Inbound
from hanota.radio.joining import JoinWindow
from hanota.radio.listener import GuardedListener
from hanota.radio.outbound import Outbound, Outgoing, Session, unless_lost
from hanota.radio.peers import Peers
from hanota.radio.refusals import Refusals
from hanota.radio.settings import RadioSettings
from hanota.zse.install_code import install_code_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zigpy.types import ZigbeePacket

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.url import RadioUrl

logger = logging.getLogger(__name__)

_DEVICE_ANNCE = 0x0013
"""The ZDO cluster by which a stranger shows itself."""


class Coordinator:
    """A USB coordinator as the hub's radio.

    While it is lost, `send` and `permit_joining` raise RadioError at once; it is opened again with growing
    delays for as long as it takes, and the listener hears of each change.
    """

    def __init__(self, url: RadioUrl, settings: RadioSettings | None = None, *, clock: Clock) -> None:
        self._url = url
        self._settings = settings or RadioSettings()
        self._family = FAMILIES[url.family]
        self._clock = clock
        self._state = RadioState.STOPPED
        self._peers = Peers()
        self._outbound = Outbound(self._settings, self._family, self._peers)
        self._window = JoinWindow(self._settings, clock)
        self._joined_at: dict[Eui64, float] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._session: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._eui64: Eui64 | None = None
        self._listener: RadioListener | None = None
        self._inbound: Inbound | None = None
        self._refusals: Refusals | None = None

    @property
    def eui64(self) -> Eui64:
        """The coordinator's own EUI-64; raise RadioError before `start`."""
        if self._eui64 is None:
            raise RadioError("the coordinator has not been started")
        return self._eui64

    @property
    def state(self) -> RadioState:
        """The connection's state."""
        return self._state

    @property
    def refused(self) -> Mapping[str, int]:
        """How many frames were refused, by reason."""
        return {} if self._refusals is None else dict(self._refusals.counts)

    async def start(self, listener: RadioListener) -> None:
        """Open the coordinator and its network, forming it where there is none; raise RadioError."""
        if self._state is not RadioState.STOPPED:
            raise RadioError("the coordinator is started already")
        listener = self._listener = GuardedListener(listener)
        self._refusals = Refusals(listener, self._clock, self._settings.refusal_interval)
        self._inbound = Inbound(
            self._settings,
            self._peers,
            self._clock,
            listener=listener,
            refusals=self._refusals,
            answer=self._answer,
            unknown_address=self._identify,
        )
        hold_back_keys()
        self._change_state(RadioState.STARTING, str(self._url))
        try:
            session = await self._open()
        except BaseException as error:
            self._change_state(RadioState.STOPPED, str(error))
            raise
        self._online(session)
        self._supervisor = asyncio.create_task(self._supervise(session), name="radio supervisor")
        self._supervisor.add_done_callback(_report_failure)

    async def stop(self) -> None:
        """Close the coordinator; never raises."""
        tasks = [task for task in (self._supervisor, *self._answers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._supervisor = None
        if self._state is not RadioState.STOPPED:
            self._change_state(RadioState.STOPPED, "stopped")

    async def send(
        self, device: Eui64, cluster: int, data: bytes, *, priority: Priority, encrypted: bool = True
    ) -> None:
        """Send one ZCL frame to the endpoint of `device` that has `cluster`; return when it is delivered.

        Raise DeliveryError when the device did not acknowledge, RadioError when the coordinator is lost,
        LocalProtocolError when the frame is larger than the radio carries.
        """
        frame = Outgoing(device, int(cluster), bytes(data), priority, encrypted)
        await self._outbound.send(self._online_session(), frame)

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        """Let `device` alone join, with its install code (16 octets, no CRC); raise RadioError.

        Returns when the network is open. It closes after `seconds`, or when `device` has joined and no other
        is expected.
        """
        session = self._online_session()
        link_key = install_code_key(install_code)
        try:
            await unless_lost(session, self._window.expect(session.app, device, link_key, seconds))
        except HanotaError:
            raise
        except Exception as error:
            raise RadioError(f"cannot let {device} join: {reason(error)}") from error

    # -- what the application asks and tells (Gate) ------------------------------------------------------

    def take(self, packet: ZigbeePacket) -> bool:
        """Take a packet that is the hub's."""
        return self._inbound is not None and self._inbound.take(packet)

    def admits(self, device: Eui64) -> bool:
        """Tell whether `device` is in the Device Log."""
        return self._listener is not None and self._listener.is_admitted(device)

    def placed(self, device: Eui64, nwk: int) -> None:
        """Note the short address of a device."""
        self._peers.place(device, nwk)

    def interviewed(self, device: Eui64, endpoints: Mapping[int, int]) -> None:
        """Note the endpoints of a device and tell the hub that it is there."""
        self._peers.learn(device, endpoints)
        self._window.arrived(device)
        now = self._clock.now()
        told = self._joined_at.get(device)
        if self._listener is not None and (told is None or now - told >= self._settings.rejoin_quiet):
            self._joined_at[device] = now
            self._listener.device_joined(device)

    def left(self, device: Eui64) -> None:
        """Forget where a device was and tell the hub."""
        self._peers.displace(device)
        self._joined_at.pop(device, None)
        if self._listener is not None:
            self._listener.device_left(device)

    def stranger(self, device: Eui64) -> None:
        """Tell the hub of a device on the network that is not in the Device Log."""
        if self._refusals is not None:
            self._refusals.refuse(device, _DEVICE_ANNCE, "not in the Device Log: told to leave")

    def malformed(self, nwk: int, cluster: int, reason: str) -> None:
        """Count a frame that was dropped before it became a packet."""
        if self._refusals is not None:
            self._refusals.refuse(self._peers.device_at(nwk), cluster, reason)

    # -- inside ------------------------------------------------------------------------------------------

    def _online_session(self) -> Session:
        if self._session is None:
            raise RadioError(f"the coordinator is {self._state}")
        return self._session

    async def _open(self) -> Session:
        """Open one session; raise RadioError, or ConfigError where the user must act."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_lost(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        app = self._family.load()(
            application_config(self._url, self._settings),
            gate=self,
            lost=on_lost,
            settings=self._settings,
        )
        session = Session(app, lost)
        try:
            async with asyncio.timeout(self._settings.start_timeout):
                await unless_lost(session, app.startup(auto_form=True))
            self._recognise(app)
        except BaseException as error:
            await self._close(session)
            if isinstance(error, HanotaError) or not isinstance(error, Exception):
                raise
            raise RadioError(f"cannot open {self._url}: {reason(error)}", hint=hint(error)) from error
        return session

    def _recognise(self, app: Any) -> None:
        """Note the coordinator's EUI-64, which must stay what it is: devices are bound to it."""
        own = to_eui64(app.state.node_info.ieee)
        if self._eui64 is not None and own != self._eui64:
            raise RadioError(f"this is another coordinator: {own}, not {self._eui64}")
        self._eui64 = own
        # zigpy repairs routes only for devices it knows; those of an earlier session it does not.
        for device, nwk in self._peers.placed().items():
            app.remember(device, nwk)

    async def _close(self, session: Session) -> None:
        try:
            async with asyncio.timeout(self._settings.stop_timeout):
                await session.app.shutdown()
        except Exception as error:  # noqa: BLE001  # closing what is broken breaks in any way
            logger.warning("closing %s: %s", self._url, reason(error))

    def _online(self, session: Session) -> None:
        self._session = session
        self._change_state(RadioState.ONLINE, str(self._url))

    async def _supervise(self, session: Session) -> None:
        """Wait for the coordinator to be lost and open it again, for ever."""
        while True:
            window = asyncio.create_task(self._window.keep(session.app), name="radio join window")
            try:
                # Shielded, because everybody who sends waits for it too.
                why = await asyncio.shield(session.lost)
                self._change_state(RadioState.LOST, why)
            finally:
                self._session = None
                if not session.lost.done():
                    session.lost.set_result("it was stopped")
                window.cancel()
                await asyncio.gather(window, return_exceptions=True)
                await self._close(session)
            session = await self._reopen()
            self._online(session)

    async def _reopen(self) -> Session:
        delay = self._settings.reconnect_delay
        while True:
            await asyncio.sleep(delay)
            try:
                return await self._open()
            except (RadioError, ConfigError) as error:
                logger.warning("%s", error)
            delay = min(2 * delay, self._settings.reconnect_delay_limit)

    def _answer(self, answer: Answer) -> None:
        """Send an answer of the radio's own, unless too many are under way."""
        if len(self._answers) >= self._settings.answers_waiting:
            return
        task = asyncio.get_running_loop().create_task(self._send_answer(answer))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _send_answer(self, answer: Answer) -> None:
        try:
            await self.send(
                answer.device,
                answer.cluster,
                answer.data,
                priority=Priority.NORMAL,
                encrypted=answer.encrypted,
            )
        except RadioError as error:
            logger.info("answer to %s: %s", answer.device, error)

    def _identify(self, nwk: int) -> None:
        if self._session is not None:
            self._session.app.find_short_address(nwk)

    def _change_state(self, state: RadioState, reason: str) -> None:
        self._state = state
        if self._listener is not None:
            self._listener.radio_state_changed(state, reason)


def _report_failure(supervisor: asyncio.Task[None]) -> None:
    """Say so when the supervisor breaks, as it does when the listener raises: nobody awaits it."""
    if not supervisor.cancelled() and supervisor.exception() is not None:
        logger.critical("the coordinator is watched no more", exc_info=supervisor.exception())
