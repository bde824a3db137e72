"""Commands on their way to devices, and the responses that are waited for, over restarts too."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.dcc.codes import FUTURE_DATED_TIMEOUT, NO_RESPONSE, NOT_NOW, UNDELIVERED
from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.dcc.ports import CommandState, StoredCommand
from hanota.duis.request import ServiceReference
from hanota.errors import LocalProtocolError, RemoteProtocolError, StoreError
from hanota.gbcs.activate_firmware import decode_command
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import may_be_shown, use_case_name
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from datetime import datetime

    from hanota.clock import Clock
    from hanota.dcc.ports import DccStore
    from hanota.dcc.responses import Responses
    from hanota.duis.request import RequestId
    from hanota.duis.response_code import ResponseCode
    from hanota.eui64 import Eui64
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal

logger = logging.getLogger(__name__)

_Key: TypeAlias = "tuple[Eui64, Eui64, int, bytes]"
"""Device, remote party, Originator Counter, Message Code with supplementary fields."""


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How long and for how many responses the DCC waits."""

    response_timeout: float = 600
    """Seconds: longer than the 3 minutes a busy tunnel costs and its repetitions."""
    future_dated_timeout: float = 24 * 3600
    """Seconds from its execution time until a future dated command has no outcome: the time of a PPMID."""
    waiting: int = 1000
    """Commands that may be waiting for a response at once."""
    store_retry: float = 10
    """Seconds until a command is given up once more where that could not be stored."""


@dataclass(slots=True)
class Command:
    """A command that waits: its row, what it says, and who waits for the response in this process."""

    row: StoredCommand
    message: Message
    response: asyncio.Future[Message] | None = None
    """None: whoever asked did so in a process that has ended."""
    timer: asyncio.TimerHandle | None = None

    @property
    def request_id(self) -> RequestId:
        """Return the RequestID of who asked for it."""
        return self.row.request_id

    @property
    def service_reference(self) -> ServiceReference:
        """Return what was asked for."""
        return self.row.service_reference


_SILENT: Final = "a device that refuses a command as not authentic stays silent: see its own log"
_NOT_SUPPORTED: Final = "the use case may be newer than its firmware: see the GBCS version that it supports"


class Exchange:
    """Matches responses to commands: by all they repeat of one, as `gbcs.verification` says."""

    def __init__(
        self,
        hub: Hub,
        store: DccStore,
        responses: Responses,
        journal: Journal,
        clock: Clock,
        settings: ExchangeSettings | None = None,
    ) -> None:
        self._hub, self._store, self._responses = hub, store, responses
        self._journal, self._clock = journal, clock
        self._settings = settings or ExchangeSettings()
        self._waiting: dict[_Key, Command] = {}
        self._accepted: dict[_Key, Command] = {}
        """Future dated ones, whose alert is waited for."""
        for row in store.commands():  # known before the hub starts: devices may answer while it does
            message = Message.decode(row.octets)
            waiting = self._accepted if row.state is CommandState.ACCEPTED else self._waiting
            waiting[_key_of_command(message)] = Command(row, message)

    def resume(self) -> None:
        """Send again what was not delivered when the process ended, and give up what has waited too long."""
        for command in self._accepted.values():
            self._arm(command)
        longest = self._settings.response_timeout
        for command in tuple(self._waiting.values()):
            # The row's time is further away than any can be where the machine's clock was set back.
            self._arm(command, min(max(0.0, command.row.expires_at - self._clock.now()), longest))
            if command.row.state is CommandState.SENT:
                self._relay(command)

    def check_room(self) -> None:
        """Raise RequestRejectedError when too many commands wait for a response already."""
        if len(self._waiting) >= self._settings.waiting:
            raise RequestRejectedError(
                f"{len(self._waiting)} commands are waiting for a response already",
                code=NOT_NOW,
                hint="send the request again when some of them were answered",
                may_be_repeated=True,
            )

    def send(
        self, request_id: RequestId, reference: ServiceReference, message: Message, carries: str
    ) -> asyncio.Future[Message]:
        """Store a command, and hand it to the hub when the transaction has committed.

        The future gives the response, or raises NoResponseError. `check_room` first.
        """
        octets = message.encode()
        response: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        with self._journal.transaction():
            expires_at = self._clock.now() + self._settings.response_timeout
            row = self._store.add_command(request_id, reference, octets, expires_at)
            self._journal.record(
                EventKind.GBCS_SENT,
                Party.DCC,
                Party.HUB if message.recipient == self._hub.eui64 else Party.DEVICE,
                device=message.recipient,
                detail={
                    "request_id": str(request_id),
                    "use_case": use_case_name(message),
                    "message": message.shape.value,
                    "octets": len(octets),
                    "message_octets": octets.hex() if may_be_shown(message) else None,
                    "originator": str(message.originator),
                    "originator_counter": message.originator_counter,
                    "carries": carries,
                },
            )
            self._journal.after_commit(partial(self._begin, Command(row, message, response)))
        return response

    def awaited(self, device: Eui64, response: Message) -> Command | None:
        """Return the command that `response`, sent by `device`, answers; None where none waits."""
        return self._waiting.get(_key_of_response(device, response))

    def answered(self, command: Command, response: Message) -> None:
        """Note that the response came, in the transaction of what it does."""
        self._store.remove_command(command.row)
        self._journal.after_commit(partial(self._end, command, response))

    def accepted(self, command: Command, response: Message, execution: datetime) -> None:
        """Note that a future dated command was accepted; an earlier one of its supplier gives way to it."""
        self.superseded(command)
        expires_at = execution.timestamp() + self._settings.future_dated_timeout
        row = replace(command.row, state=CommandState.ACCEPTED, expires_at=expires_at)
        self._store.update_command(row)
        self._journal.after_commit(partial(self._wait_for_outcome, command, row, response))

    def superseded(self, command: Command) -> None:
        """Wait no more for the outcome of what `command`, or the cancellation it is, takes the place of."""
        parties = command.message.recipient, command.message.originator
        for other in tuple(self._accepted.values()):
            if (other.message.recipient, other.message.originator) == parties:
                self._store.remove_command(other.row)
                self._journal.after_commit(partial(self._forget, other))

    def outcome_of(self, device: Eui64, supplier: Eui64, counter: int) -> Command | None:
        """Return the future dated command whose alert came, None where none is waited for.

        Its row goes with the transaction under way.
        """
        for command in self._accepted.values():
            message = command.message
            if (message.recipient, message.originator, message.originator_counter) == (
                device,
                supplier,
                counter,
            ):
                self._store.remove_command(command.row)
                self._journal.after_commit(partial(self._forget, command))
                return command
        return None

    def delivered(self, device: Eui64, octets: bytes) -> None:
        """Note that the device has a command: it is not sent again after a restart."""
        command = self._command(device, octets)
        if command is None or command.row.state is not CommandState.SENT:
            return
        row = replace(command.row, state=CommandState.DELIVERED)
        with self._journal.transaction():
            self._store.update_command(row)
            self._journal.record(
                EventKind.GBCS_DELIVERED,
                Party.DEVICE,
                Party.HUB,
                device=device,
                detail={
                    "request_id": str(command.request_id),
                    "use_case": use_case_name(command.message),
                    "originator_counter": command.message.originator_counter,
                },
            )
            self._journal.after_commit(partial(setattr, command, "row", row))

    def undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        """Give up a command that the hub could not deliver."""
        command = self._command(device, octets)
        if command is not None:
            self._give_up(command, UNDELIVERED, reason)

    def not_supported(self, device: Eui64, message_code: int, counter: int) -> Command | None:
        """Give up and return the command that the device says it does not support (ECS100).

        None, and nothing is given up, unless exactly one with this Message Code and Originator Counter waits.
        """
        named = device, message_code, counter
        found = [command for command in self._waiting.values() if _named_in_alert(command.message) == named]
        if len(found) != 1:
            return None
        # It was delivered, so not E20; that no response will come is known before the time is over.
        self._give_up(found[0], NO_RESPONSE, "the device does not support the command", _NOT_SUPPORTED)
        return found[0]

    def close(self) -> None:
        """Stop waiting in this process; the rows stay, and `resume` takes them up."""
        for command in (*self._waiting.values(), *self._accepted.values()):
            if command.timer is not None:
                command.timer.cancel()
            if command.response is not None:
                command.response.cancel()
        self._waiting.clear()
        self._accepted.clear()

    def _command(self, device: Eui64, octets: bytes) -> Command | None:
        try:
            message = Message.decode(octets)
        except RemoteProtocolError:
            return None  # somebody else's: the hub relays whatever it is given
        key = device, message.originator, message.originator_counter, message.other_information
        return self._waiting.get(key)

    # -- after the commit --------------------------------------------------------------------------------

    def _begin(self, command: Command) -> None:
        self._waiting[_key_of_command(command.message)] = command
        self._arm(command)
        self._relay(command)

    def _relay(self, command: Command) -> None:
        try:
            self._hub.relay(command.message.recipient, command.row.octets)
        except LocalProtocolError as error:
            self._give_up(command, UNDELIVERED, str(error))

    def _end(self, command: Command, response: Message) -> None:
        self._forget(command)
        if command.response is not None and not command.response.done():
            command.response.set_result(response)

    def _wait_for_outcome(self, command: Command, row: StoredCommand, response: Message) -> None:
        self._end(command, response)
        command.row = row
        self._accepted[_key_of_command(command.message)] = command
        self._arm(command)

    def _forget(self, command: Command) -> None:
        if command.timer is not None:
            command.timer.cancel()
        key = _key_of_command(command.message)
        for waiting in (self._waiting, self._accepted):
            if waiting.get(key) is command:
                del waiting[key]

    # -- giving up ---------------------------------------------------------------------------------------

    def _arm(self, command: Command, seconds: float | None = None) -> None:
        if seconds is None:
            seconds = max(0.0, command.row.expires_at - self._clock.now())
        command.timer = asyncio.get_running_loop().call_later(seconds, self._expire, command)

    def _expire(self, command: Command) -> None:
        try:
            if command.row.state is CommandState.ACCEPTED:
                reason = "no alert of the outcome came after the execution time"
                self._give_up(command, FUTURE_DATED_TIMEOUT, reason)
            else:
                seconds = self._settings.response_timeout
                self._give_up(command, NO_RESPONSE, f"no response within {seconds:.0f} s")
        except StoreError as error:
            logger.error("%s", error)  # noqa: TRY400  # what to do is in the message, not in a traceback
            self._arm(command, self._settings.store_retry)

    def _give_up(self, command: Command, code: ResponseCode, reason: str, hint: str = _SILENT) -> None:
        with self._journal.transaction():
            self._store.remove_command(command.row)
            self._responses.no_response(command.request_id, command.service_reference, code, reason)
            if command.service_reference is ServiceReference.ACTIVATE_FIRMWARE:
                # Nothing says that the device executes it; an earlier one that it accepted still stands.
                self._hub.jobs.execute_at(command.message.recipient, self._accepted_time(command))
            self._journal.after_commit(partial(self._fail, command, reason, hint))

    def _accepted_time(self, given_up: Command) -> float | None:
        for other in self._accepted.values():
            if other is not given_up and other.message.recipient == given_up.message.recipient:
                when = decode_command(other.message.payload).execution_date_time
                return None if when is None else when.as_datetime().timestamp()
        return None

    def _fail(self, command: Command, reason: str, hint: str) -> None:
        self._forget(command)
        if command.response is None or command.response.done():
            return
        error = NoResponseError(
            f"{command.message.recipient} did not answer {use_case_name(command.message)}: {reason}",
            hint=hint,
        )
        command.response.set_exception(error)
        command.response.exception()  # nobody need wait for it: the journal has it


def _key_of_command(command: Message) -> _Key:
    return command.recipient, command.originator, command.originator_counter, command.other_information


def _named_in_alert(command: Message) -> tuple[Eui64, int, int]:
    return command.recipient, command.message_code, command.originator_counter


def _key_of_response(device: Eui64, response: Message) -> _Key:
    return device, response.recipient, response.originator_counter, response.other_information
