"""A hub and a DCC without radio: HanRadio in memory, and devices made of the protocols' own other ends."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ParamSpec

from hanota.clock import LoopClock
from hanota.dcc.dcc import Dcc
from hanota.dcc.inventory import Inventory
from hanota.dcc.products_list import ProductsList
from hanota.dcc.service_users import ServiceUsers
from hanota.dcc.services import service_of
from hanota.dcc.settings import DccSettings
from hanota.dcc.signing import DccSigner
from hanota.dcc.submission import Submission
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdatePpmidFirmware,
)
from hanota.duis.response import PreCommand, ResponseMessage
from hanota.emulator.loop import run_virtual
from hanota.errors import StoreError
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.hub.hub import Hub
from hanota.hub.jobs import JobKind
from hanota.hub.journal import Journal
from hanota.hub.ports import DeviceLogEntry, DeviceType, HanFrame, Priority, RadioState
from hanota.ota.client import ClientIdentity, OtaClient
from hanota.ota.commands import encode_command
from hanota.ota.fields import ImageId
from hanota.ota.settings import OtaClientSettings
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.inventory_store import SqliteInventoryStore
from hanota.store.store import SqliteStore
from hanota.zcl import ClusterId, Status
from hanota.zse.tunneling import DataReceived, TunnelServer
from tests.hub_parties_support import (
    BROKER,
    EPOCH,
    HCALCS,
    HCALCS_IMAGE,
    HUB,
    MANUFACTURER,
    NEIGHBOUR,
    OLD_VERSION,
    PPMID,
    PPMID_IMAGE,
    SUPPLIER,
    dcc_keys,
    header,
    hub_trust,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
    from datetime import datetime

    from hanota.dcc.service_users import ServiceUser
    from hanota.dcc.services import Service
    from hanota.dcc.submission import Answer
    from hanota.duis.request import ServiceRequest
    from hanota.eui64 import Eui64
    from hanota.gbcs.certificates import Credentials
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.events import Event, EventKind
    from hanota.hub.hub import HubSettings
    from hanota.hub.jobs import Job
    from hanota.hub.ports import RadioListener
    from hanota.ota.commands import OtaCommand
    from hanota.ota.image import OtaFile

_P = ParamSpec("_P")

DEVICE_LOG = (
    DeviceLogEntry(PPMID.eui64, DeviceType.PPMID, bytes(16)),
    DeviceLogEntry(HCALCS.eui64, DeviceType.HCALCS, bytes(16)),
    DeviceLogEntry(NEIGHBOUR.eui64, DeviceType.HCALCS, bytes(16)),
)


def virtual(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        run_virtual(test(*args, **kwargs))

    return run


@dataclass(frozen=True)
class Sent:
    """One frame that the hub handed to the radio."""

    device: Eui64
    cluster: int
    data: bytes
    priority: Priority
    encrypted: bool
    acknowledged: bool = True


class FakeRadio:
    """HanRadio in memory; a device in `errors` has its frames fail, one in `hung` has none of them end."""

    LATENCY = 0.01

    def __init__(self) -> None:
        self.state = RadioState.STOPPED
        self.sent: list[Sent] = []
        self.permitted: list[tuple[Eui64, bytes, float]] = []
        self.removed: list[Eui64] = []
        self.errors: dict[Eui64, Exception] = {}
        self.hung: set[Eui64] = set()
        self.devices: dict[Eui64, FakeDevice] = {}
        self.while_starting: Callable[[RadioListener], None] = lambda _: None
        self.needs_established_key = False

    @property
    def eui64(self) -> Eui64:
        return HUB.eui64

    async def start(self, listener: RadioListener) -> None:
        self.state = RadioState.ONLINE
        self.while_starting(listener)

    async def stop(self) -> None:
        self.state = RadioState.STOPPED

    def room(self, device: Eui64) -> int | None:
        return None

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
        self.sent.append(Sent(device, cluster, data, priority, encrypted, acknowledged))
        await asyncio.sleep(self.LATENCY)
        if device in self.hung:
            await asyncio.Event().wait()
        if device in self.errors:
            raise self.errors[device]
        if device in self.devices:
            self.devices[device].take(cluster, data)

    async def permit_joining(self, device: Eui64, install_code: bytes, seconds: float) -> None:
        self.permitted.append((device, install_code, seconds))

    def remove(self, device: Eui64) -> None:
        self.removed.append(device)

    def to(self, device: Eui64, cluster: int) -> list[bytes]:
        """Return the frames sent to `device` on `cluster`, in order."""
        return [frame.data for frame in self.sent if (frame.device, frame.cluster) == (device, cluster)]


class FakeDevice:
    """A HAN device: an Upgrade Client and a Tunneling server that talk to the hub by themselves."""

    def __init__(self, lab: Lab, credentials: Credentials, kind: JobKind, hardware_version: int = 1) -> None:
        self.lab, self.credentials, self.kind = lab, credentials, kind
        self.status: int = Status.SUCCESS
        """What its own verification says of an image."""
        image_type = header(kind).image_type
        self.client = OtaClient(
            ClientIdentity(ImageId(MANUFACTURER, image_type, OLD_VERSION), hardware_version),
            lambda _: self.status,
            OtaClientSettings(maximum_data_size=48),
        )
        self.tunnel = TunnelServer()
        self.messages: list[bytes] = []
        """GBCS messages that came through its tunnel."""
        self.silent = False
        """Whether it hears nothing and says nothing."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def eui64(self) -> Eui64:
        return self.credentials.eui64

    def take(self, cluster: int, data: bytes) -> None:
        if self.silent:
            return
        if cluster == ClusterId.OTA_UPGRADE:
            self.client.receive(data, self.lab.clock.now())
        else:
            self.tunnel.receive(data, self.lab.clock.now())
        self._pump()

    def say(self, message: Message | bytes) -> None:
        """Send a GBCS message through the tunnel."""
        octets = message.encode() if isinstance(message, Message) else message
        self.tunnel.send(octets, self.lab.clock.now())
        self._pump()

    def reboot(self) -> None:
        """Lose the tunnels, as a restart does, and join again."""
        self.tunnel = TunnelServer()
        self.lab.hub.device_joined(self.eui64)
        self.lab.hub.device_ready(self.eui64)

    def _pump(self) -> None:
        for event in self.tunnel.events():
            if isinstance(event, DataReceived):
                self.messages.append(event.data)
        for data in self.client.requests():
            self.lab.say(self.eui64, ClusterId.OTA_UPGRADE, data)
        for data in self.tunnel.responses():
            self.lab.say(self.eui64, ClusterId.TUNNELING, data)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.client.next_timer()
        if due is not None and not self.silent:
            delay = max(0.0, due - self.lab.clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.client.expire(self.lab.clock.now())
        self._pump()


class FullDisk(SqliteStore):
    """A store whose `failing` statement finds the disk full while that is set: a name, or "COMMIT"."""

    def __init__(self, path: str = ":memory:") -> None:
        self.failing: str | None = None
        super().__init__(path)
        run = self._database._run

        def run_or_fail(statement: str, values: dict[str, object] | None = None) -> list[tuple[Any, ...]]:
            if self.failing is not None and statement.lstrip().startswith(self.failing):
                self._database._failed = self._database._in_transaction
                raise StoreError("database or disk is full")
            return run(statement, values)

        self._database._run = run_or_fail  # type: ignore[method-assign]


@dataclass
class Lab:
    """A hub, its DCC and everything that happened."""

    store: SqliteStore
    journal: Journal
    clock: LoopClock
    radio: FakeRadio
    hub: Hub
    dcc: Dcc
    dcc_store: SqliteDccStore
    inventory: Inventory
    products: ProductsList
    events: list[Event] = field(default_factory=list)
    counter: int = 100
    """The counter at the end of the last RequestID."""

    # -- the HAN -----------------------------------------------------------------------------------------

    def device(self, credentials: Credentials, kind: JobKind, hardware_version: int = 1) -> FakeDevice:
        """Return a new device on the HAN, its tunnel not open yet."""
        device = FakeDevice(self, credentials, kind, hardware_version)
        self.radio.devices[device.eui64] = device
        return device

    def adopt(self, device: FakeDevice) -> None:
        """Take over a device from a hub that was stopped: it has noticed nothing."""
        device.lab = self
        self.radio.devices[device.eui64] = device

    async def joined(self, credentials: Credentials, kind: JobKind, hardware_version: int = 1) -> FakeDevice:
        """Return a new device that joined and has its tunnel."""
        device = self.device(credentials, kind, hardware_version)
        self.hub.device_joined(device.eui64)
        self.hub.device_ready(device.eui64)
        await asyncio.sleep(1)
        return device

    def say(self, device: Eui64, cluster: int, data: bytes) -> None:
        """Have a frame arrive from `device`."""
        self.hub.frame_received(HanFrame(device, cluster, data, aps_encrypted=True, at=self.clock.now()))

    def ask(self, device: Eui64, command: OtaCommand, sequence: int = 1) -> None:
        """Have an OTA command arrive from `device`."""
        self.say(device, ClusterId.OTA_UPGRADE, encode_command(command, sequence))

    # -- the service user --------------------------------------------------------------------------------

    def request_id(self, target: Eui64 = BROKER.eui64, originator: Eui64 = SUPPLIER.eui64) -> RequestId:
        """Return a RequestID that was not used yet."""
        self.counter += 1
        return RequestId(originator, target, self.counter)

    def update(
        self,
        kind: JobKind,
        *devices: Eui64,
        file: OtaFile | bytes | None = None,
        request_id: RequestId | None = None,
    ) -> Sequence[Job]:
        """Send SR 11.4 or 11.1 for `devices`."""
        file = file or (PPMID_IMAGE if kind is JobKind.PPMID else HCALCS_IMAGE)
        data = file if isinstance(file, bytes) else file.data
        make = UpdatePpmidFirmware if kind is JobKind.PPMID else UpdateFirmware
        return self.dcc.submit(make(request_id or self.request_id(), data, "00000000", devices)).jobs

    def pre_command(self, when: datetime | None = None) -> tuple[RequestId, Message]:
        """Send SR 11.3 for the HCALCS and return its RequestID and Pre-Command."""
        request_id = self.request_id(HCALCS.eui64)
        request = ActivateFirmware(request_id, HCALCS_IMAGE.manufacturer_image_hash, when)
        return request_id, pre_command_of(self.dcc.submit(request))

    def send_signed(self, request_id: RequestId, octets: bytes) -> asyncio.Future[Message]:
        """Send a Signed Pre-Command and return what gives the response."""
        return outcome_of(self.dcc.submit(SignedPreCommand(request_id, octets)))

    def activate(self, when: datetime | None = None) -> asyncio.Future[Message]:
        """Send SR 11.3, sign its Pre-Command, send it back and return what gives the response."""
        request_id, pre_command = self.pre_command(when)
        return self.send_signed(request_id, sign(pre_command, SUPPLIER.signing_key).encode())

    def read_version(self, device: Eui64, request_id: RequestId | None = None) -> asyncio.Future[Message]:
        """Send SR 11.2 and return what gives the response."""
        return outcome_of(self.dcc.submit(ReadFirmwareVersion(request_id or self.request_id(device))))

    async def held(self) -> FakeDevice:
        """Return an HCALCS that holds its image."""
        device = await self.joined(HCALCS, JobKind.HCALCS)
        self.update(JobKind.HCALCS, device.eui64)
        await asyncio.sleep(60)
        assert self.state(device.eui64) == "held"
        return device

    async def told_to_activate(self) -> FakeDevice:
        """Return a PPMID that was told to activate its image."""
        device = await self.joined(PPMID, JobKind.PPMID)
        self.update(JobKind.PPMID, device.eui64)
        await asyncio.sleep(60)
        assert self.state(device.eui64) == "activating"
        return device

    # -- what happened -----------------------------------------------------------------------------------

    def job(self, device: Eui64) -> Job:
        """Return the newest job of `device`, as it is stored."""
        return self.store.jobs(device=device)[-1]

    def state(self, device: Eui64) -> str:
        return str(self.job(device).state)

    def of(self, kind: EventKind, device: Eui64 | None = None) -> list[Event]:
        """Return the events of `kind`, those of `device` alone if it is given."""
        return [event for event in self.events if event.kind is kind and device in (None, event.device)]


@asynccontextmanager
async def lab(
    *,
    store: SqliteStore | None = None,
    settings: HubSettings | None = None,
    dcc_settings: DccSettings | None = None,
    users: Iterable[ServiceUser] = (),
    keystore: KeyStore | None = None,
    signer: DccSigner | None = None,
    prepare: Callable[[FakeRadio], None] = lambda _: None,
) -> AsyncIterator[Lab]:
    """Start a hub and a DCC on `store`, by default an empty one in memory, and stop them afterwards."""
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, EPOCH + loop.time())
    kept = store or SqliteStore(":memory:")
    for entry in DEVICE_LOG:
        kept.put_device(entry)
    journal, radio = Journal(kept, clock), FakeRadio()
    hub = Hub(
        radio=radio,
        store=kept,
        journal=journal,
        clock=clock,
        credentials=HUB,
        broker=BROKER.eui64,
        settings=settings,
        trust=hub_trust(),
    )
    dcc_settings, dcc_store = dcc_settings or DccSettings(), SqliteDccStore(kept.database)
    inventory_store = SqliteInventoryStore(kept.database)
    inventory = Inventory(inventory_store, journal, clock, hub, dcc_settings.inventory)
    products = ProductsList(inventory_store, journal, dcc_settings.products)
    dcc = Dcc(
        eui64=BROKER.eui64,
        service_user=SUPPLIER.eui64,
        hub=hub,
        keystore=keystore or dcc_keys(),
        signer=signer or DccSigner(BROKER.signing_key, BROKER.signing_certificate),
        users=ServiceUsers(users),
        inventory=inventory,
        products=products,
        store=kept,
        dcc_store=dcc_store,
        journal=journal,
        clock=clock,
        settings=dcc_settings,
    )
    made = Lab(kept, journal, clock, radio, hub, dcc, dcc_store, inventory, products)
    journal.subscribe(made.events.append)
    prepare(radio)
    await hub.start(dcc)
    dcc.start()
    try:
        yield made
    finally:
        dcc.close()
        await hub.stop()
        if store is None:
            kept.close()


def submission(
    request: ServiceRequest,
    *,
    signer: Eui64 | None = None,
    service: Service | None = None,
    digest: bytes | None = None,
) -> Submission:
    """Return a request as the gateway hands it over, signed by its originator unless another is given."""
    return Submission(
        request,
        service or service_of(request),
        signer or request.request_id.originator,
        digest or sha256(repr(astuple(request)).encode()).digest(),
    )


def pre_command_of(answer: Answer) -> Message:
    """Return the Pre-Command in the answer to SR 11.3."""
    assert isinstance(answer.response.body, ResponseMessage)
    assert isinstance(answer.response.body.content, PreCommand)
    return Message.decode(answer.response.body.content.gbcs_payload)


def outcome_of(answer: Answer) -> asyncio.Future[Message]:
    """Return what gives the device's response to the command of an accepted request."""
    assert answer.outcome is not None
    return answer.outcome
