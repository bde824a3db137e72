"""The bench's DCC for one hub: Service Requests in; responses, device alerts and DCC alerts out.

A request is looked at first, and nothing is changed. Then one transaction holds its events, all it does
(jobs, commands, documents) and the signed answer; radio and tunnels act after the commit. So a request that
comes again is answered the same, and a process killed anywhere has done all of it or nothing.
"""

from __future__ import annotations

from dataclasses import astuple
from hashlib import sha256
from typing import TYPE_CHECKING, assert_never

from hanota.dcc.activation import Activation
from hanota.dcc.authority import authorise
from hanota.dcc.broker import AccessControlBroker
from hanota.dcc.codes import NOT_NOW, UNDELIVERED
from hanota.dcc.counters import last_request_counter
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.exchange import Exchange
from hanota.dcc.inbox import Inbox
from hanota.dcc.incoming import Incoming
from hanota.dcc.outbox import Outbox
from hanota.dcc.own_commands import OwnCommands
from hanota.dcc.prepared import Done, Prepared
from hanota.dcc.responses import Responses
from hanota.dcc.settings import DccSettings
from hanota.dcc.submission import Answer, Submission
from hanota.dcc.update import Updates
from hanota.duis.parse_response import parse_response
from hanota.duis.request import (
    ActivateFirmware,
    ReadFirmwareVersion,
    ReadInventory,
    RequestId,
    SignedPreCommand,
    UpdateFirmware,
    UpdateHanDeviceLog,
    UpdatePpmidFirmware,
)
from hanota.duis.response import DspInventory, Response, ResponseMessage
from hanota.duis.response_code import ResponseCode
from hanota.errors import LocalProtocolError, RemoteProtocolError
from hanota.hub.events import EventKind, Party
from hanota.ota.pacing import TokenBucket
from hanota.timestamps import utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanota.clock import Clock
    from hanota.dcc.inventory import Inventory
    from hanota.dcc.ports import DccStore
    from hanota.dcc.products_list import ProductsList
    from hanota.dcc.service_users import ServiceUsers
    from hanota.dcc.signing import DccSigner
    from hanota.duis.other_services import OtherServiceReference
    from hanota.duis.request import ServiceReference, ServiceRequest
    from hanota.duis.response import ResponseContent
    from hanota.eui64 import Eui64
    from hanota.gbcs.keystore import KeyStore
    from hanota.hub.events import Json
    from hanota.hub.hub import Hub
    from hanota.hub.jobs import JobOptions
    from hanota.hub.journal import Journal
    from hanota.hub.ports import Store


class Dcc:
    """The service user's counterpart and the hub's uplink.

    `eui64` is the access control broker, whose keys are in `keystore` with everybody's certificates;
    `service_user` is in whose name `submit` asks.
    """

    def __init__(
        self,
        *,
        eui64: Eui64,
        service_user: Eui64,
        hub: Hub,
        keystore: KeyStore,
        signer: DccSigner,
        users: ServiceUsers,
        inventory: Inventory,
        products: ProductsList,
        store: Store,
        dcc_store: DccStore,
        journal: Journal,
        clock: Clock,
        settings: DccSettings | None = None,
    ) -> None:
        settings = settings or DccSettings()
        self.eui64, self.service_user = eui64, service_user
        self._hub, self._signer, self._users = hub, signer, users
        self._store, self._journal, self._clock = store, journal, clock
        self._outbox = Outbox(dcc_store, signer, journal, clock, self._has_address, settings.outbox)
        responses = Responses(eui64, self._outbox, store, journal, clock)
        broker = AccessControlBroker(eui64, keystore, store, dcc_store, clock, settings.broker)
        self._exchange = Exchange(hub, dcc_store, responses, journal, clock, settings.exchange)
        self._incoming = Incoming(eui64, hub, self._exchange, responses, keystore, store, journal)
        self._inbox = Inbox(store, dcc_store, clock)
        self._inventory, self._products = inventory, products
        self._updates = Updates(hub, inventory, products, responses, clock)
        self._activation = Activation(hub, broker, self._exchange, journal, settings.gbcs_version)
        self._own_commands = OwnCommands(broker, self._exchange, inventory, clock)
        self._refusals = TokenBucket(settings.refusals_per_second, settings.refusal_burst, clock.now())

    def start(self) -> None:
        """Go on with what was under way when the process ended, once the hub runs; raise StoreError."""
        self._exchange.resume()

    def close(self) -> None:
        """Wait for nothing any more in this process; what is stored goes on at the next start."""
        self._exchange.close()

    # -- Service Requests --------------------------------------------------------------------------------

    def receive(self, submission: Submission) -> Answer:
        """Answer a Service Request, with an error where it is the user's fault; raise StoreError only."""
        try:
            return self._take(submission)
        except RequestRejectedError as error:
            return self._reject(submission, error)

    def submit(self, request: ServiceRequest, options: JobOptions | None = None) -> Answer:
        """Take a request of a local user; raise RequestRejectedError where it is not accepted."""
        submission = Submission(request, None, None, _digest(request), options)
        try:
            return self._take(submission)
        except RequestRejectedError as error:
            self._reject(submission, error)
            raise

    def next_request_id(self, target: Eui64) -> RequestId:
        """Return a RequestID of `service_user` that was not used yet."""
        counter = last_request_counter(self._store, self.service_user) + 1
        return RequestId(self.service_user, target, counter)

    def refuse(
        self,
        code: ResponseCode,
        words: str,
        request_id: RequestId | None,
        service_reference: ServiceReference | OtherServiceReference,
    ) -> bytes:
        """Return the signed answer to a document that never became a submission; journalled within bounds."""
        if self._refusals.take(self._clock.now()):
            self._record_rejection(request_id, code, words)
        return self._signer.sign(self._response(request_id, service_reference, code))

    # -- what the hub hands up (Uplink) ------------------------------------------------------------------

    def message_received(self, device: Eui64, octets: bytes) -> None:
        """Take a GBCS message from the HAN, or the hub's own."""
        self._incoming.take(device, octets)

    def message_delivered(self, device: Eui64, octets: bytes) -> None:
        """Note that a device has a command."""
        self._exchange.delivered(device, octets)

    def message_undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        """Give up what waits for the answer to a message that the hub could not deliver."""
        self._exchange.undelivered(device, octets, reason)

    # -- inside ------------------------------------------------------------------------------------------

    def _take(self, submission: Submission) -> Answer:
        """Do what is asked and return the answer; raise RequestRejectedError, and then nothing was done."""
        document = self._inbox.answer_to(submission)
        if document is not None:
            return Answer(parse_response(document), document, repeated=True)
        request = submission.request
        authorise(submission, self._users, self._inventory, dcc=self.eui64)
        self._inbox.check(submission)
        self._check_device_log(request)
        self._outbox.check_room(request.request_id.originator)
        prepared = self._prepare(submission)
        response = self._response(
            request.request_id, request.service_reference, prepared.response_code, prepared.content
        )
        document = self._signer.sign(response)
        done = self._carry_out(submission, prepared, document)
        return Answer(response, document, done.jobs, done.outcome)

    def _carry_out(self, submission: Submission, prepared: Prepared, document: bytes) -> Done:
        try:
            with self._journal.transaction():
                self._record_answer(submission.request, prepared)
                done = prepared.carry_out()
                self._inbox.keep(submission, document)
        except (RemoteProtocolError, LocalProtocolError) as error:
            # Nothing of it was kept. Only distribution has a second way: the DCC took it, the hub did not.
            if prepared.otherwise is None:
                raise RequestRejectedError(
                    str(error), code=NOT_NOW, hint=error.hint, may_be_repeated=True
                ) from error
            with self._journal.transaction():
                self._record_answer(submission.request, prepared)
                done = prepared.otherwise(error)
                self._inbox.keep(submission, document)
        return done

    def _prepare(self, submission: Submission) -> Prepared:
        match request := submission.request:
            case UpdateFirmware() | UpdatePpmidFirmware():
                local = submission.signer is None
                return self._updates.prepare(request, submission.options, local=local)
            case ActivateFirmware():
                return self._activation.transform(request)
            case SignedPreCommand():
                return self._activation.send(request)
            case ReadFirmwareVersion():
                return self._own_commands.read_firmware_version(request)
            case UpdateHanDeviceLog():
                return self._own_commands.update_han_device_log(request)
            case ReadInventory():
                return self._read_inventory(request)
            case _:
                assert_never(request)

    def _read_inventory(self, request: ReadInventory) -> Prepared:
        devices = self._inventory.report(request.criterion, self._products)
        return Prepared(
            name="Read Inventory",
            response_code=ResponseCode.I0,
            content=DspInventory(devices),
            words=f"devices found: {len(devices)}",
            carry_out=Done,
        )

    def _check_device_log(self, request: ServiceRequest) -> None:
        """Refuse what is for a device that this hub cannot reach, though the inventory has it."""
        target = request.request_id.target
        if target not in (self.eui64, self._hub.eui64) and not self._hub.is_admitted(target):
            raise RequestRejectedError(
                f"{target} is not in the Device Log of this hub", code=UNDELIVERED, may_be_repeated=True
            )

    def _has_address(self, service_user: Eui64) -> bool:
        user = self._users.find(service_user)
        return user is not None and user.answer_url is not None

    def _reject(self, submission: Submission, error: RequestRejectedError) -> Answer:
        request = submission.request
        response = self._response(request.request_id, request.service_reference, error.code, error.content)
        document = self._signer.sign(response)
        if error.may_be_repeated and not self._refusals.take(self._clock.now()):
            return Answer(response, document)
        with self._journal.transaction():
            if not isinstance(request, SignedPreCommand):
                self._record_receipt(request, EventKind.REQUEST_RECEIVED, request.body_element, {})
            self._record_rejection(request.request_id, error.code, str(error), error.hint)
            if not error.may_be_repeated:
                self._inbox.keep(submission, document)
        return Answer(response, document)

    def _response(
        self,
        request_id: RequestId | None,
        service_reference: ServiceReference | OtherServiceReference,
        code: ResponseCode,
        content: ResponseContent | None = None,
    ) -> Response:
        body = ResponseMessage(service_reference, content)
        return Response(code, utc(self._clock.now()), body, request_id)

    # -- the journal -------------------------------------------------------------------------------------

    def _record_answer(self, request: ServiceRequest, prepared: Prepared) -> None:
        self._record_receipt(request, prepared.received, prepared.name, prepared.detail)
        if prepared.words is not None:
            self._journal.record(
                EventKind.REQUEST_ACKNOWLEDGED,
                Party.DCC,
                Party.SERVICE_USER,
                detail={
                    "request_id": str(request.request_id),
                    "response_code": str(prepared.response_code),
                    "meaning": prepared.words,
                    **prepared.lists,
                },
            )

    def _record_receipt(
        self, request: ServiceRequest, kind: EventKind, name: str, detail: Mapping[str, Json]
    ) -> None:
        self._journal.record(
            kind,
            Party.SERVICE_USER,
            Party.DCC,
            device=request.request_id.target if self._hub.is_admitted(request.request_id.target) else None,
            detail={
                "request_id": str(request.request_id),
                "service_reference": str(request.service_reference),
                "name": name,
                **detail,
            },
        )

    def _record_rejection(
        self, request_id: RequestId | None, code: ResponseCode, reason: str, hint: str | None = None
    ) -> None:
        self._journal.record(
            EventKind.REQUEST_REJECTED,
            Party.DCC,
            Party.SERVICE_USER,
            detail={
                "request_id": None if request_id is None else str(request_id),
                "response_code": str(code),
                "reason": reason,
                # A document has no room for words: the journal is where its sender's engineer finds them.
                **({} if hint is None else {"hint": hint}),
            },
        )


def _digest(request: ServiceRequest) -> bytes:
    """Return what tells one local request from another; a document's is that of its canonical octets."""
    return sha256(repr((type(request).__name__, astuple(request))).encode()).digest()
