"""Commands on their way to devices, and the responses that are waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hanota.dcc.errors import NoResponseError
from hanota.errors import LocalProtocolError
from hanota.gbcs.message import Message
from hanota.gbcs.usecases import use_case_name
from hanota.hub.events import EventKind, Party

if TYPE_CHECKING:
    from hanota.duis.request import RequestId
    from hanota.eui64 import Eui64
    from hanota.hub.hub import Hub
    from hanota.hub.journal import Journal

_Key: TypeAlias = "tuple[Eui64, Eui64, int, bytes]"
"""Device, remote party, Originator Counter, Message Code with supplementary fields."""


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How long and for how many responses the DCC waits."""

    response_timeout: float = 600
    """Seconds: longer than the 3 minutes a busy tunnel costs and its repetitions."""
    waiting: int = 1000
    """Commands that may be waiting for a response at once."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command that waits for its response."""

    request_id: RequestId
    service_reference: str
    message: Message
    response: asyncio.Future[Message]


class Exchange:
    """Matches responses to commands: by all they repeat of one, as `gbcs.verification` says."""

    def __init__(self, hub: Hub, journal: Journal, settings: ExchangeSettings | None = None) -> None:
        self._hub, self._journal = hub, journal
        self._settings = settings or ExchangeSettings()
        self._waiting: dict[_Key, tuple[Command, asyncio.TimerHandle]] = {}

    def check_room(self) -> None:
        """Raise LocalProtocolError when too many commands wait for a response already."""
        if len(self._waiting) >= self._settings.waiting:
            raise LocalProtocolError(f"{len(self._waiting)} commands are waiting for a response already")

    def send(
        self, request_id: RequestId, service_reference: str, message: Message, carries: str
    ) -> asyncio.Future[Message]:
        """Hand a command to the hub; the future gives the response, or raises NoResponseError.

        Raise LocalProtocolError as `check_room` does.
        """
        self.check_room()
        octets = message.encode()
        loop = asyncio.get_running_loop()
        response: asyncio.Future[Message] = loop.create_future()
        self._journal.record(
            EventKind.GBCS_SENT,
            Party.DCC,
            Party.DEVICE,
            device=message.recipient,
            detail={
                "request_id": str(request_id),
                "use_case": use_case_name(message),
                "message": message.shape.value,
                "octets": len(octets),
                "originator": str(message.originator),
                "originator_counter": message.originator_counter,
                "carries": carries,
            },
        )
        seconds = self._settings.response_timeout
        timer = loop.call_later(
            seconds, self._give_up, message.recipient, message, f"no response within {seconds:.0f} s"
        )
        command = Command(request_id, service_reference, message, response)
        self._waiting[_key_of_command(message)] = (command, timer)
        try:
            self._hub.relay(message.recipient, octets)
        except LocalProtocolError as error:
            self._give_up(message.recipient, message, str(error))
        return response

    def awaited(self, device: Eui64, response: Message) -> Command | None:
        """Return the command that `response`, sent by `device`, answers; None where none waits."""
        command, _ = self._waiting.get(_key_of_response(device, response), (None, None))
        return command

    def answered(self, command: Command, response: Message) -> None:
        """Wait for the response no longer and give it to whom it is for."""
        self._forget(command.message)
        if not command.response.done():
            command.response.set_result(response)

    def undelivered(self, device: Eui64, octets: bytes, reason: str) -> None:
        """Give up a command that the hub could not deliver."""
        self._give_up(device, Message.decode(octets), reason)

    def close(self) -> None:
        """Stop waiting for everything."""
        for command, timer in self._waiting.values():
            timer.cancel()
            command.response.cancel()
        self._waiting.clear()

    def _give_up(self, device: Eui64, message: Message, reason: str) -> None:
        command = self._forget(message)
        if command is None:
            return
        if not command.response.done():
            command.response.set_exception(
                NoResponseError(
                    f"{device} did not answer {use_case_name(message)}: {reason}",
                    hint="a device that refuses a command as not authentic stays silent: see its own log",
                )
            )
            command.response.exception()  # nobody need wait for it: the journal has it
        self._journal.record(
            EventKind.RESPONSE_RETURNED,
            Party.DCC,
            Party.SERVICE_USER,
            device=device,
            detail={
                "request_id": str(command.request_id),
                "service_reference": command.service_reference,
                "outcome": f"no response: {reason}",
            },
        )

    def _forget(self, message: Message) -> Command | None:
        command, timer = self._waiting.pop(_key_of_command(message), (None, None))
        if timer is not None:
            timer.cancel()
        return command


def _key_of_command(command: Message) -> _Key:
    return command.recipient, command.originator, command.originator_counter, command.other_information


def _key_of_response(device: Eui64, response: Message) -> _Key:
    return device, response.recipient, response.originator_counter, response.other_information
