"""A coordinator looked at or changed while no hub runs on it: facts, backup, restore, form, EUI-64."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from zigpy.backups import NetworkBackup
from zigpy.exceptions import NetworkNotFormed

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.radio.application import network_facts, to_eui64
from hanota.radio.diagnosis import hint, reason
from hanota.radio.facts import check_eui64_change
from hanota.radio.families import FAMILIES, application_config, hold_back_keys
from hanota.radio.outbound import Session, unless_lost
from hanota.radio.redaction import Redaction, known_keys
from hanota.radio.settings import RadioSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from hanota.eui64 import Eui64
    from hanota.radio.application import HanApplication
    from hanota.radio.facts import CoordinatorFacts, NetworkFacts
    from hanota.radio.frame import ReceivedFrame, SentFrame
    from hanota.radio.settings import NetworkSettings
    from hanota.radio.url import RadioUrl

T = TypeVar("T")

COUNTER_MARGIN: Final = 10_000
"""Added to the frame counter of a network that is restored: what the coordinator may have sent since."""


class Maintenance:
    """One coordinator, opened for maintenance. Every method raises RadioError where it fails."""

    def __init__(self, url: RadioUrl, session: Session, redaction: Redaction, patience: float) -> None:
        self._url, self._session, self._redaction, self._patience = url, session, redaction, patience

    async def facts(self) -> CoordinatorFacts:
        """Return what the coordinator says of itself."""
        return await self._do("ask", self._facts())

    async def back_up(self) -> Mapping[str, Any]:
        """Return its network with every key, in zigpy's network backup form (JSON); ConfigError if none."""
        return await self._do("back up", self._back_up())

    async def restore(self, backup: NetworkBackup, *, burn: bool = False) -> CoordinatorFacts:
        """Write a network that was backed up, with the EUI-64 it had, in place of the coordinator's own.

        `burn` allows to write an EUI-64 where it can be written once only.
        """
        return await self._do("restore", self._restore(backup, burn=burn))

    async def form(self) -> CoordinatorFacts:
        """Form a new network by the settings, in place of one that is there."""
        return await self._do("form a network on", self._form())

    async def write_eui64(self, eui64: Eui64, *, burn: bool = False) -> CoordinatorFacts:
        """Give it another EUI-64; a network that was there is formed anew, as it belongs to the old one."""
        return await self._do("change", self._write_eui64(eui64, burn=burn))

    # -- inside ------------------------------------------------------------------------------------------

    @property
    def _app(self) -> HanApplication:
        return self._session.app

    async def _facts(self) -> CoordinatorFacts:
        return await self._app.facts(await self._network())

    async def _network(self, *, devices: bool = False) -> NetworkFacts | None:
        try:
            await self._app.load_network_info(load_devices=devices)
        except NetworkNotFormed:
            return None
        self._redaction.add(*known_keys(self._app.state.network_info))
        return network_facts(self._app)

    async def _back_up(self) -> Mapping[str, Any]:
        if await self._network(devices=True) is None:
            raise ConfigError(f"{self._url} has no network to back up", hint="`hanota radio form` makes one")
        backup: Mapping[str, Any] = self._app.backups.from_network_state().as_open_coordinator_json()
        return backup

    async def _restore(self, backup: NetworkBackup, *, burn: bool) -> CoordinatorFacts:
        before = await self._facts()
        if to_eui64(backup.node_info.ieee) != before.eui64:
            check_eui64_change(before.eui64_change, burn=burn)
        if burn:
            backup.network_info.stack_specific.setdefault("ezsp", {})[
                "i_understand_i_can_update_eui64_only_once_and_i_still_want_to_do_it"
            ] = True
        await self._app.backups.restore_backup(backup, counter_increment=COUNTER_MARGIN, create_new=False)
        return await self._facts()

    async def _form(self) -> CoordinatorFacts:
        await self._app.form_network()
        return await self._facts()

    async def _write_eui64(self, eui64: Eui64, *, burn: bool) -> CoordinatorFacts:
        network = await self._network()
        await self._app.write_eui64(eui64, burn=burn)
        if network is not None:
            await self._app.form_network()
        facts = await self._facts()
        if facts.eui64 != eui64:
            raise RadioError(
                f"the coordinator took the EUI-64 and still is {facts.eui64}",
                hint=FAMILIES[self._url.family].change_eui64.format(
                    path=self._url.path, eui64=str(eui64).replace("-", ":")
                ),
            )
        return facts

    async def _do(self, what: str, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience):
                return await unless_lost(self._session, work)
        except HanotaError:
            raise
        except Exception as error:
            raise RadioError(
                f"cannot {what} {self._url}: {self._redaction.text(reason(error))}", hint=hint(error)
            ) from error


@asynccontextmanager
async def maintained(
    url: RadioUrl, network: NetworkSettings | None = None, *, settings: RadioSettings | None = None
) -> AsyncIterator[Maintenance]:
    """Open a coordinator for maintenance, its network not served; raise RadioError.

    `network` is what `Maintenance.form` forms. The port is locked meanwhile, so no hub can run on it.
    """
    settings = settings or RadioSettings()
    if network is not None:
        settings = replace(settings, network=network)
    redaction = Redaction()
    redaction.install()
    hold_back_keys()
    lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_lost(why: str) -> None:
        if not lost.done():
            lost.set_result(redaction.text(why))

    try:
        app = FAMILIES[url.family].load()(
            application_config(url, settings), gate=_ClosedGate(), lost=on_lost, settings=settings
        )
        session = Session(app, lost)
        try:
            await _connect(url, session, redaction, settings)
            yield Maintenance(url, session, redaction, settings.start_timeout)
        finally:
            await _close(app, settings)
            lost.cancel()
    finally:
        redaction.remove()


def read_backup(document: object) -> NetworkBackup:
    """Return a network backup as zigpy or zigbee2mqtt writes one; raise ConfigError for anything else."""
    try:
        if not isinstance(document, dict):
            raise TypeError("not an object")  # noqa: TRY301  # told like everything else that is wrong
        backup = NetworkBackup.from_dict(document)
        complete = backup.is_complete()
    except Exception as error:
        raise ConfigError(
            "this is no backup of a coordinator", hint="give a file that `hanota radio backup` wrote"
        ) from error
    if not complete:
        raise ConfigError("the backup lacks its network key, its channel or its addresses")
    return backup


async def _connect(url: RadioUrl, session: Session, redaction: Redaction, settings: RadioSettings) -> None:
    try:
        async with asyncio.timeout(settings.command_timeout):
            await unless_lost(session, session.app.connect())
    except HanotaError:
        raise
    except Exception as error:
        raise RadioError(f"cannot open {url}: {redaction.text(reason(error))}", hint=hint(error)) from error


async def _close(app: HanApplication, settings: RadioSettings) -> None:
    try:
        async with asyncio.timeout(settings.stop_timeout):
            await app.shutdown()
    except Exception:  # noqa: BLE001, S110  # closing what is broken breaks in any way, and the port is free
        pass


class _ClosedGate:
    """Admits no device and takes no frame (Gate)."""

    def take(self, received: ReceivedFrame) -> bool:  # noqa: ARG002
        return True

    @property
    def captures(self) -> bool:
        return False

    def sending(self, frame: SentFrame) -> None: ...

    def admits(self, device: Eui64) -> bool:  # noqa: ARG002
        return False

    def placed(self, device: Eui64, nwk: int) -> None: ...

    def joined_afresh(self, device: Eui64) -> None: ...

    def came_back(self, device: Eui64) -> None: ...

    def address_changing(self, nwk: int) -> None: ...

    def address_changed(self, nwk: int) -> None: ...

    def interviewed(self, device: Eui64, endpoints: dict[int, int]) -> None: ...

    def left(self, device: Eui64) -> None: ...

    def stranger(self, device: Eui64) -> None: ...

    def malformed(self, nwk: int, cluster: int, reason: str) -> None: ...
