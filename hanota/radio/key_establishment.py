"""The hub's side of key establishment, awake: frames, computing, the coordinator's key table, timers.

The rules are KeyEstablishmentServer's. What is here gives it time and carries out what it asks for, in the
order that keeps both sides agreed: key in the coordinator, row in the store, then word to the device.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, assert_never

from hanota.errors import RadioError
from hanota.hub.ports import Priority
from hanota.radio.computing import Computing
from hanota.radio.diagnosis import reason
from hanota.radio.established_keys import NewKey
from hanota.zcl import ClusterId
from hanota.zse.key_establishment import (
    Failed,
    InstallKey,
    KeyEstablished,
    KeyEstablishmentServer,
    RemoveKey,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Protocol

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.established_keys import EstablishedKeys
    from hanota.radio.link_keys import LinkKeyTable
    from hanota.radio.settings import RadioSettings
    from hanota.zse.cbke import SiteCredentials
    from hanota.zse.key_establishment import ServerEvent, Work

    class Radio(Protocol):
        """What the shell needs of the coordinator."""

        @property
        def link_keys(self) -> LinkKeyTable:
            """The coordinator's key table; raise RadioError while it is lost."""
            ...

        def nwk(self, device: Eui64) -> int:
            """Return a device's short address; raise RadioError where it is not known."""
            ...

        async def send(
            self, device: Eui64, cluster: int, data: bytes, *, priority: Priority, encrypted: bool = True
        ) -> None:
            """Send a frame; raise RadioError."""
            ...

        def ready(self, device: Eui64) -> None:
            """Hear that a device may be talked to."""
            ...

        def expel(self, device: Eui64) -> None:
            """Tell a device to leave the network."""
            ...

        def text(self, text: str) -> str:
            """Return what a library said without any key."""
            ...


logger = logging.getLogger(__name__)


class KeyEstablishment:
    """Runs the Key Establishment server of one coordinator."""

    def __init__(
        self,
        settings: RadioSettings,
        site: SiteCredentials,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        listener: RadioListener,
        radio: Radio,
        keys: EstablishedKeys,
        exported: Callable[[Eui64, bytes, str], None],
    ) -> None:
        """`exported` is given each key that is established, for a key file."""
        self._settings, self._clock, self._listener = settings, clock, listener
        self._radio, self._keys, self._exported = radio, keys, exported
        self._server = KeyEstablishmentServer(
            site, settings.key_establishment, own=site.subject, entropy=entropy
        )
        self._computing = Computing(settings.computing_threads)
        self._due: dict[Eui64, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False

    async def start(self) -> None:
        """Get ready to compute."""
        await self._computing.start()

    async def stop(self) -> None:
        """End everything under way; what was half done is ended by the check at the next start."""
        self._stopped = True
        self._schedule()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._computing.stop()

    def receive(self, device: Eui64, data: bytes) -> None:
        """Take a frame of cluster 0x0800 that is no general command."""
        if self._stopped:
            return
        self._due.pop(device, None)
        self._server.receive(device, data, self._clock.now())
        self._advance()
        if device not in self._keys:
            self.expect(device)

    def expect(self, device: Eui64) -> None:
        """Expect a device that joined to establish a key, and not to take for ever."""
        self._due.setdefault(device, self._clock.now() + self._settings.key_establishment_due)
        self._schedule()

    def left(self, device: Eui64) -> None:
        """Forget a device that left; its key stays, for it may come back with it."""
        self._due.pop(device, None)
        self._server.forget(device, self._clock.now())
        self._advance()

    def joined_afresh(self, device: Eui64) -> None:
        """Hear that a device joined with its install code: what it established before is void."""
        self._keys.void(device)
        self._tell_lost(device, "it joined afresh")
        self._server.forget(device, self._clock.now())
        self._advance()
        self.spawn(self._erase(device))

    def removed(self, device: Eui64) -> None:
        """Hear that a device is not admitted any more: its key goes."""
        self._keys.void(device)
        self.left(device)
        self.spawn(self._erase(device))

    def came_back(self, device: Eui64) -> None:
        """Hear that a device joined, in a way that may have cost the coordinator its key."""
        if device in self._keys:
            self._keys.suspend(device)
            self.spawn(self._recheck(device))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends or the radio is stopped."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the server's wishes -----------------------------------------------------------------------------

    def _advance(self) -> None:
        """Carry out what the server wants and set its timer."""
        for device, data in self._server.responses():
            self.spawn(self._respond(device, data))
        for work in self._server.work():
            self.spawn(self._compute(work))
        for event in self._server.events():
            self._handle(event)
        self._schedule()

    def _handle(self, event: ServerEvent) -> None:
        match event:
            case InstallKey():
                self.spawn(self._install(event))
            case KeyEstablished():
                self._due.pop(event.device, None)
                self._radio.ready(event.device)
            case RemoveKey():
                self.spawn(self._withdraw(event.device))
            case Failed():
                self._listener.key_establishment_failed(event.device, event.reason)
                if event.device not in self._keys:
                    self.expect(event.device)
            case _:
                assert_never(event)

    async def _respond(self, device: Eui64, data: bytes) -> None:
        try:
            await self._radio.send(
                device, ClusterId.KEY_ESTABLISHMENT, data, priority=Priority.NORMAL, encrypted=False
            )
        except RadioError as error:
            logger.info("key establishment with %s: %s", device, error)
            self._server.undelivered(device, data, self._clock.now())
        else:
            self._server.delivered(device, data, self._clock.now())
        self._advance()

    async def _compute(self, work: Work) -> None:
        try:
            result = await self._computing.run(work.run)
        except Exception as error:  # noqa: BLE001  # whatever an executor raises; the server's timer ends it
            logger.error("key establishment with %s: %s", work.device, reason(error))  # noqa: TRY400
            return
        self._server.finished(result, self._clock.now())
        self._advance()

    # -- the coordinator's key table ---------------------------------------------------------------------

    async def _install(self, event: InstallKey) -> None:
        device, suite = event.device, int(event.suite)
        refusal: str | None
        try:
            new = NewKey(device, self._radio.nwk(device), suite, event.key)
            async with asyncio.timeout(self._settings.command_timeout):
                refusal = await self._keys.install(self._radio.link_keys, new)
        except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
            refusal = self._radio.text(reason(error))
        now = self._clock.now()
        if refusal is None:
            self._exported(device, event.key, f"CBKE suite {suite}")
            self._server.installed(device, now)
        else:
            self._server.not_installed(device, refusal, now)
        self._advance()

    async def _withdraw(self, device: Eui64) -> None:
        fault: str | None
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                fault = await self._keys.withdraw(self._radio.link_keys, device)
        except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
            fault = self._radio.text(reason(error))
        if fault is not None:
            self._keys.drop(device)
            self._tell_lost(device, fault)

    async def _erase(self, device: Eui64) -> None:
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                await self._keys.erase(self._radio.link_keys, device)
        except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
            logger.warning(
                "the key of %s stays until the next start: %s", device, self._radio.text(reason(error))
            )

    async def _recheck(self, device: Eui64) -> None:
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                fault = await self._keys.recheck(self._radio.link_keys, device)
        except Exception as error:  # noqa: BLE001  # the radio libraries raise whatever they like
            fault = self._radio.text(reason(error))
        if fault is not None:
            self._keys.drop(device)
            self._tell_lost(device, f"it joined again, and {fault}")
        elif device in self._keys:
            self._radio.ready(device)

    def _tell_lost(self, device: Eui64, why: str) -> None:
        if device in self._listener.established_keys():
            self._listener.link_key_lost(device, why)
        self.expect(device)

    # -- time --------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [time for time in (self._server.next_timer(), *self._due.values()) if time is not None]
        if due and not self._stopped:
            delay = max(0.0, min(due) - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        now = self._clock.now()
        self._server.expire(now)
        for device in [device for device, due in self._due.items() if due <= now]:
            del self._due[device]
            minutes = round(self._settings.key_establishment_due / 60)
            self._listener.key_establishment_failed(
                device, f"it did not establish a key within {minutes} min: told to leave"
            )
            self._radio.expel(device)
        self._advance()
