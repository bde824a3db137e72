"""The coordinator: hub.ports.HanRadio on a zigpy application, opened again whenever it is lost."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.hub.ports import RadioState
from hanota.radio.application import network_facts, to_eui64, to_ieee
from hanota.radio.diagnosis import reason
from hanota.radio.families import FAMILIES, application_config, hold_back_keys
from hanota.radio.frame_size import single_frame
from hanota.radio.gate import DEVICE_ANNCE, HanGate
from hanota.radio.inbound import Inbound
from hanota.radio.joining import JoinWindow
from hanota.radio.key_export import KeyExport
from hanota.radio.link_policy import LinkPolicy
from hanota.radio.listener import GuardedListener
from hanota.radio.outbound import Outbound, Outgoing, Session, unless_lost
from hanota.radio.own_answers import OwnAnswers
from hanota.radio.peers import Peers
from hanota.radio.redaction import Redaction, known_keys
from hanota.radio.refusals import Refusals
from hanota.radio.secure_links import SecureLinks
from hanota.radio.settings import LinkSecurity, RadioSettings
from hanota.radio.supervision import Supervision
from hanota.zse.install_code import install_code_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import Priority, RadioListener
    from hanota.radio.application import HanApplication
    from hanota.radio.capture import Capture
    from hanota.radio.facts import CoordinatorFacts
    from hanota.radio.link_keys import LinkKeyTable
    from hanota.radio.url import RadioUrl
    from hanota.zse.cbke import SiteCredentials


class Coordinator:
    """A USB coordinator as the hub's radio.

    While it is lost, `send` and `permit_joining` raise RadioError at once; it is opened again with growing
    delays for as long as it takes, and the listener hears of each change.
    """

    def __init__(
        self,
        url: RadioUrl,
        settings: RadioSettings | None = None,
        *,
        clock: Clock,
        credentials: SiteCredentials | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        capture: Capture | None = None,
    ) -> None:
        """`credentials` are those of the coordinator's EUI-64, needed where keys are to be established.

        `capture` gets every frame; whoever made it closes it.
        """
        self._url, self._capture = url, capture
        self._settings = settings or RadioSettings()
        self._family = FAMILIES[url.family]
        self._clock = clock
        self._credentials, self._entropy = credentials, entropy
        self._redaction = Redaction()
        self._policy = LinkPolicy(self._settings.link_security)
        self._links: SecureLinks | None = None
        self._export: KeyExport | None = None
        self._state = RadioState.STOPPED
        self._peers = Peers()
        self._outbound = Outbound(self._settings, self._family, self._peers, self._key_is_of)
        self._window = JoinWindow(self._settings, clock, self._join_refused)
        self._answers = OwnAnswers(self._settings.answers_waiting, self)
        self._session: Session | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._supervision = Supervision(url, self._settings, self)
        self._eui64: Eui64 | None = None
        self._listener: RadioListener | None = None
        self._refusals: Refusals | None = None
        self._gate: HanGate | None = None

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
    def needs_established_key(self) -> bool:
        """Tell whether a device may be talked to under a link key made by key establishment only."""
        return self._settings.link_security is LinkSecurity.KEY_ESTABLISHMENT

    @property
    def refused(self) -> Mapping[str, int]:
        """How many frames were refused, by reason."""
        return {} if self._refusals is None else dict(self._refusals.counts)

    async def start(self, listener: RadioListener) -> None:
        """Open the coordinator and its network, forming it where there is none; raise RadioError.

        Raise ConfigError where credentials are missing, or of another than this coordinator.
        """
        if self._state is not RadioState.STOPPED:
            raise RadioError("the coordinator is started already")
        self._prepare(GuardedListener(listener))
        self._redaction.install()
        hold_back_keys()
        self._change_state(RadioState.STARTING, str(self._url))
        try:
            if self._links is not None:
                await self._links.start()
            session = await self._supervision.open()
        except BaseException as error:
            await self._release()
            self._change_state(RadioState.STOPPED, str(error))
            raise
        self.online(session)
        self._supervisor = self._supervision.keep(session)
        if self._links is not None:
            # Once whoever started this knows that it is started.
            asyncio.get_running_loop().call_soon(self._tell_ready, self._links)

    async def stop(self) -> None:
        """Close the coordinator; never raises."""
        if self._links is not None:
            # First: a send that fails because of this is no Confirm Key that did not arrive.
            await self._links.stop()
        tasks = [task for task in (self._supervisor, *self._answers.tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._supervisor = None
        await self._supervision.close_untaken()
        await self._release()
        if self._state is not RadioState.STOPPED:
            self._change_state(RadioState.STOPPED, "stopped")

    def room(self, device: Eui64) -> int | None:
        """Return the most octets of a ZCL frame to `device` that need no fragments, None while it is lost.

        As the hub's own frames go: under APS encryption unless the link security has none.
        """
        if self._session is None:
            return None
        encrypted = self._settings.link_security is not LinkSecurity.NONE
        return single_frame(encrypted=encrypted, relays=self._session.app.relays(device))

    async def send(
        self,
        device: Eui64,
        cluster: int,
        data: bytes,
        *,
        priority: Priority,
        encrypted: bool = True,
        acknowledged: bool = True,
    ) -> None:
        """Send one ZCL frame to the endpoint of `device` that has `cluster`; return when it is delivered.

        One that is not `acknowledged` counts as delivered when it is off the air. Raise DeliveryError when
        the device did not acknowledge, RadioError when the coordinator is lost, LocalProtocolError when the
        frame is larger than the radio carries. A device without the key that is due is not sent anything
        that the profile wants encrypted.
        """
        encrypted = self._policy.encrypts(device, cluster, asked=encrypted)
        frame = Outgoing(device, int(cluster), bytes(data), priority, encrypted, acknowledged)
        await self._outbound.send(self._online_session(), frame)

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        """Let `device` alone join, with its install code (16 octets, no CRC); raise RadioError.

        Returns when the network is open. It closes after `seconds`, or when `device` has joined and no other
        is expected.
        """
        session = self._online_session()
        link_key = install_code_key(install_code)
        self._redaction.add(install_code, link_key)
        self._write_key(device, link_key, "install code")
        try:
            await unless_lost(session, self._window.expect(session.app, device, link_key, seconds))
        except HanotaError:
            raise
        except Exception as error:
            raise RadioError(f"cannot let {device} join: {self.text(reason(error))}") from error

    async def facts(self) -> CoordinatorFacts:
        """Ask the coordinator what it is; raise RadioError."""
        session = self._online_session()
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                return await unless_lost(session, session.app.facts(network_facts(session.app)))
        except HanotaError:
            raise
        except Exception as error:
            raise RadioError(f"cannot ask {self._url}: {self.text(reason(error))}") from error

    def remove(self, device: Eui64) -> None:
        """Tell `device`, which is not admitted any more, to leave the network, and forget its link key."""
        if self._session is not None and device not in self._peers.placed():
            # Its answer comes as the join of a stranger, who is told to leave.
            self._session.app.find_device(device)
        self.expel(device)
        if self._links is not None:
            self._links.establishment.removed(device)

    # -- what key establishment needs (KeyEstablishment.Radio) -------------------------------------------

    @property
    def link_keys(self) -> LinkKeyTable:
        """The coordinator's key table; raise RadioError while it is lost."""
        return self._online_session().app.link_keys

    def nwk(self, device: Eui64) -> int:
        """Return a device's short address; raise RadioError where it is not known."""
        nwk = self._peers.placed().get(device)
        if nwk is None:
            raise RadioError(f"the short address of {device} is not known")
        return nwk

    def ready(self, device: Eui64) -> None:
        """Tell the hub that a device may be talked to, unless its interview is to end first."""
        heard = self._gate is not None and self._gate.has_joined(device)
        if not heard and self._session is not None:
            known = self._session.app.devices.get(to_ieee(device))
            if known is not None and known.initializing:
                return
        if self._listener is not None:
            self._listener.device_ready(device)

    def expel(self, device: Eui64) -> None:
        """Tell a device to leave the network."""
        nwk = self._peers.placed().get(device)
        if self._session is not None and nwk is not None:
            self._session.app.expel(device, nwk)

    def text(self, text: str) -> str:
        """Return what a library said without any key."""
        return self._redaction.text(text)

    # -- the life of the coordinator (Supervision.Owner) ---------------------------------------------------

    def application(self, lost: Callable[[str], None]) -> HanApplication:
        """Make an application that is not started."""
        if self._gate is None:
            raise RadioError("the coordinator has not been started")
        config = application_config(self._url, self._settings)
        return self._family.load()(config, gate=self._gate, lost=lost, settings=self._settings)

    async def opened(self, app: HanApplication) -> None:
        """Know the coordinator again, and check the keys in it."""
        self._recognise(app)
        if self._links is not None:
            await self._links.check(app.link_keys)

    def online(self, session: Session) -> None:
        """Use a coordinator from now on."""
        self._session = session
        self._change_state(RadioState.ONLINE, str(self._url))
        if self._links is not None:
            self._links.tell_lost()

    def keep_window(self, app: HanApplication) -> Coroutine[Any, Any, None]:
        """Keep the join window on `app` until cancelled."""
        return self._window.keep(app)

    def lost(self, reason: str) -> None:
        """Tell the hub that the coordinator is lost."""
        self._change_state(RadioState.LOST, reason)

    def offline(self) -> None:
        """Use the coordinator no more."""
        self._session = None

    # -- inside ------------------------------------------------------------------------------------------

    def _prepare(self, listener: RadioListener) -> None:
        """Put together what a radio of these settings has; raise ConfigError."""
        settings, credentials = self._settings, self._credentials
        self._listener = listener
        self._refusals = Refusals(listener, self._clock, settings.refusal_interval)
        if settings.key_export is not None:
            production = credentials is not None and credentials.production
            self._export = KeyExport(settings.key_export, production=production)
        for secret in (settings.network.network_key, settings.network.trust_centre_key):
            if secret is not None:
                self._redaction.add(secret)
        if self.needs_established_key:
            if credentials is None:
                raise ConfigError(
                    "key establishment needs credentials of this coordinator",
                    hint="make your own with `hanota credentials lab-ca` and `hanota credentials issue`",
                )
            self._redaction.add(*(each.private_key for each in credentials.credentials))
            self._links = SecureLinks(
                settings,
                credentials,
                clock=self._clock,
                entropy=self._entropy,
                listener=listener,
                radio=self,
                secret=self._redaction.add,
                exported=self._write_key,
            )
            self._policy = self._links.policy
        inbound = Inbound(
            settings,
            self._peers,
            self._clock,
            policy=self._policy,
            listener=listener,
            refusals=self._refusals,
            answer=self._answers.begin,
            unknown_address=self._identify,
            key_establishment=None if self._links is None else self._links.establishment.receive,
            suites=() if credentials is None else tuple(credentials.suites),
        )
        self._gate = HanGate(
            settings,
            self._clock,
            self._peers,
            self._window,
            listener=self._listener,
            refusals=self._refusals,
            inbound=inbound,
            links=self._links,
            capture=self._capture,
        )

    def _tell_ready(self, links: SecureLinks) -> None:
        for device in links.keys.devices:
            self.ready(device)

    async def _release(self) -> None:
        """Let go of what start took."""
        if self._links is not None:
            await self._links.stop()
            self._links = None
        if self._gate is not None:
            self._gate.close()
        self._redaction.remove()

    def _write_key(self, device: Eui64, key: bytes, label: str) -> None:
        if self._export is not None:
            self._export.link_key(device, key, label)

    def _online_session(self) -> Session:
        if self._session is None:
            raise RadioError(f"the coordinator is {self._state}")
        return self._session

    def _recognise(self, app: Any) -> None:
        """Note the coordinator's EUI-64, which must stay what it is: devices are bound to it."""
        own = to_eui64(app.state.node_info.ieee)
        if self._eui64 is not None and own != self._eui64:
            raise RadioError(f"this is another coordinator: {own}, not {self._eui64}")
        if self._links is not None and self._credentials is not None and self._credentials.subject != own:
            raise ConfigError(
                f"the credentials are of {self._credentials.subject}, this coordinator is {own}",
                hint=self._family.change_eui64.format(
                    path=self._url.path, eui64=str(self._credentials.subject).replace("-", ":")
                ),
            )
        self._eui64 = own
        network = app.state.network_info
        if self._capture is not None:
            self._capture.network(own, int(network.pan_id), int(network.channel))
        self._redaction.add(*known_keys(network))
        if self._export is not None:
            self._export.network_key(network.network_key.key.serialize())
            self._export.link_key(own, network.tc_link_key.key.serialize(), "trust centre")
        # zigpy repairs routes only for devices it knows; those of an earlier session it does not.
        for device, nwk in self._peers.placed().items():
            app.remember(device, nwk)

    def _join_refused(self, device: Eui64, reason: str) -> None:
        if self._refusals is not None:
            self._refusals.refuse(device, DEVICE_ANNCE, reason)
        if self._listener is not None:
            self._listener.join_window_closed(device)

    async def _key_is_of(self, nwk: int, device: Eui64) -> bool:
        """Tell whether the coordinator encrypts for `device`, or nobody else, what goes to `nwk`."""
        return self._links is None or await self._links.senders.may_be(nwk, device)

    def _identify(self, nwk: int) -> None:
        if self._session is not None:
            self._session.app.find_short_address(nwk)

    def _change_state(self, state: RadioState, reason: str) -> None:
        self._state = state
        if self._listener is not None:
            self._listener.radio_state_changed(state, reason)
