"""Commands on their way to devices, and the responses that are waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """Matches responses to commands: by device, Originator Counter and Message Code."""

    def __init__(self, hub: Hub, journal: Journal, settings: ExchangeSettings | None = None) -> None:
        self._hub, self._journal = hub, journal
        self._settings = settings or ExchangeSettings()
        self._waiting: dict[tuple[Eui64, int, int], tuple[Command, asyncio.TimerHandle]] = {}

    def send(
        self, request_id: RequestId, service_reference: str, message: Message, carries: str
    ) -> asyncio.Future[Message]:
        """Hand a command to the hub; the future gives the response, or raises NoResponseError.

        Raise LocalProtocolError when too many commands wait already.
        """
        key = _key(message.recipient, message)
        if len(self._waiting) >= self._settings.waiting or key in self._waiting:
            raise LocalProtocolError(f"{len(self._waiting)} commands are waiting for a response already")
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
        self._waiting[key] = (Command(request_id, service_reference, message, response), timer)
        try:
            self._hub.relay(message.recipient, octets)
        except LocalProtocolError:
            self._waiting.pop(key)[1].cancel()
            raise
        return response

    def match(self, device: Eui64, response: Message) -> Command | None:
        """Return the command that `response` answers and wait for it no longer; None where none waits.

        Beside what it is found by, a response repeats its command's other party and supplementary fields.
        """
        command, _ = self._waiting.get(_key(device, response), (None, None))
        if command is None or (response.recipient, response.other_information) != (
            command.message.originator,
            command.message.other_information,
        ):
            return None
        return self._forget(device, response)

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
        command = self._forget(device, message)
        if command is None:
            return
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
        if not command.response.done():
            command.response.set_exception(
                NoResponseError(
                    f"{device} did not answer {use_case_name(message)}: {reason}",
                    hint="a device that refuses a command as not authentic stays silent: see its own log",
                )
            )
            command.response.exception()  # nobody need wait for it: the journal has it

    def _forget(self, device: Eui64, message: Message) -> Command | None:
        command, timer = self._waiting.pop(_key(device, message), (None, None))
        if timer is not None:
            timer.cancel()
        return command


def _key(device: Eui64, message: Message) -> tuple[Eui64, int, int]:
    return device, message.originator_counter, message.message_code
