"""The composition root: every part of the daemon made of the settings, nothing started yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanota import __version__
from hanota.api.access import Access
from hanota.api.app import create_app
from hanota.api.context import ApiContext, SupplierKeys
from hanota.api.delivery import OutboxDelivery
from hanota.clock import SystemClock
from hanota.daemon.clock_watch import ClockWatch
from hanota.daemon.composition import compose
from hanota.daemon.emulated import is_emulated, read_emulated_han
from hanota.daemon.keys import load_keys
from hanota.daemon.lab import FOLDER_MODE
from hanota.daemon.lag import LagWatch
from hanota.daemon.logs import log_event
from hanota.daemon.metrics import DccCollector, HubCollector, Metrics, ProcessHealthCollector
from hanota.daemon.readiness import ReadinessProbe
from hanota.daemon.token_file import own_token
from hanota.dcc.audit import AuditTrail
from hanota.dcc.service_users import ServiceUser, ServiceUsers
from hanota.dcc.signing import DccSigner
from hanota.errors import ConfigError
from hanota.hub.journal import Journal
from hanota.radio.capture import Capture
from hanota.radio.coordinator import Coordinator
from hanota.store.audit_store import SqliteAuditStore
from hanota.store.lock import DatabaseLock
from hanota.store.pruning import Pruning
from hanota.store.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack
    from pathlib import Path

    from fastapi import FastAPI

    from hanota.api.access import TokenSettings
    from hanota.clock import Clock
    from hanota.config.settings import Settings
    from hanota.daemon.emulated import EmulatedHan
    from hanota.daemon.keys import Keys
    from hanota.dcc.dcc import Dcc
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.products_list import ProductsList
    from hanota.hub.hub import Hub


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything there is of a daemon."""

    settings: Settings
    clock: Clock
    keys: Keys
    emulated: EmulatedHan | None
    """What is behind the radio URL, where it is of this process."""
    journal: Journal
    hub: Hub
    radio: Coordinator
    dcc: Dcc
    inventory: Inventory
    products: ProductsList
    context: ApiContext
    app: FastAPI
    delivery: OutboxDelivery
    pruning: Pruning
    lag: LagWatch
    clock_watch: ClockWatch
    probe: ReadinessProbe


def build(settings: Settings, stack: ExitStack, *, clock: Clock, alive: Callable[[], None]) -> Parts:
    """Make every part; what is to be closed goes on `stack`. `alive` is called while the event loop runs.

    Raise ConfigError, and StoreError also where another daemon has the database.
    """
    emulated = read_emulated_han(settings.emulation) if is_emulated(settings.radio.url) else None
    _make_folder(settings.store.path.parent)
    stack.enter_context(DatabaseLock(settings.store.path))
    keys = load_keys(settings, emulated_hub=None if emulated is None else emulated.hub)
    store = SqliteStore(settings.store.path, settings.store)
    stack.callback(store.close)
    store.database.check()
    journal = Journal(store, clock)
    capture = None
    if settings.radio.capture is not None:
        capture = Capture(settings.radio.capture, clock)
        stack.callback(capture.close)
    radio = Coordinator(
        settings.radio.url, settings.radio, clock=clock, credentials=keys.site, capture=capture
    )
    users = service_users(settings, keys)
    composition = compose(
        keys,
        radio,
        store=store,
        journal=journal,
        clock=clock,
        users=users,
        signer=DccSigner(keys.signing_key, keys.signing_certificate),
        hub_settings=settings.hub,
        dcc_settings=settings.dcc,
    )
    hub, dcc, dcc_store = composition.hub, composition.dcc, composition.dcc_store
    stack.callback(dcc.close)
    lag = LagWatch(settings.daemon.lag_interval, alive)
    clock_watch = ClockWatch(
        clock.behind if isinstance(clock, SystemClock) else lambda: 0.0,
        settings.daemon.ready_clock,
        settings.daemon.clock_interval,
    )
    metrics = Metrics(
        (
            HubCollector(hub, store.database, lambda: radio.state, lambda: radio.refused),
            DccCollector(dcc_store, clock),
            ProcessHealthCollector(lag, settings.store.path, clock_watch),
        )
    )
    for listener in (keys.follow, metrics.follow, log_event):
        stack.callback(journal.subscribe(listener))
    keys.learn(*(entry.device for entry in hub.device_log))
    probe = ReadinessProbe(store.database, radio, lag, settings.daemon.ready_lag, clock_watch)
    context = ApiContext(
        hub=hub,
        dcc=dcc,
        store=store,
        dcc_store=dcc_store,
        inventory=composition.inventory,
        products=composition.products,
        journal=journal,
        clock=clock,
        access=Access(
            tokens_of(settings), clock, settings.api.access, certificates=settings.api.client_certificates
        ),
        audit=AuditTrail(SqliteAuditStore(store.database), clock),
        certificates=keys.certificates,
        settings=settings.api,
        readiness=probe.look,
        metrics=metrics.text,
        version=__version__,
        supplier=_supplier_keys(keys),
        draining=probe.draining,
    )
    return Parts(
        settings=settings,
        clock=clock,
        keys=keys,
        emulated=emulated,
        journal=journal,
        hub=hub,
        radio=radio,
        dcc=dcc,
        inventory=composition.inventory,
        products=composition.products,
        context=context,
        app=create_app(context),
        delivery=OutboxDelivery(dcc_store, journal, users, clock, settings.api.delivery),
        pruning=Pruning(store.database, journal, clock, settings.store.pruning),
        lag=lag,
        clock_watch=clock_watch,
        probe=probe,
    )


def tokens_of(settings: Settings) -> tuple[TokenSettings, ...]:
    """Return who may use REST by a token; where nobody is configured: by that in `DATABASE.token`."""
    if settings.api.tokens or settings.api.client_certificates:
        return settings.api.tokens
    return (own_token(settings.store.path),)


def service_users(settings: Settings, keys: Keys) -> ServiceUsers:
    """Return the service users; the supplier for whom REST asks is one, configured or not."""
    users = list(settings.service_users)
    if all(user.eui64 != keys.supplier for user in users):
        users.append(ServiceUser(keys.supplier))
    return ServiceUsers(users)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make the folder {folder}: {error.strerror}", hint="set store.path"
        ) from None


def _supplier_keys(keys: Keys) -> SupplierKeys | None:
    """Return what REST activates with, None where the supplier signs elsewhere."""
    try:
        return SupplierKeys(keys.supplier, keys.dcc.signing_private_key(keys.supplier))
    except ConfigError:
        return None
