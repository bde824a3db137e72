"""ECS100: a device that does not support a command says so, and nobody waits for its response any longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.errors import NoResponseError
from hanota.dcc.service_users import ServiceUser
from hanota.duis.parse_response import parse_response
from hanota.duis.request import CANCELLATION
from hanota.duis.response import DeviceAlertMessage
from hanota.gbcs.activate_firmware import CommandAccepted, activate_firmware_response
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Cra, Message
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.hub_parties_support import BROKER, EPOCH, HCALCS, SUPPLIER, outcome
from tests.hub_support import lab, virtual

if TYPE_CHECKING:
    from hanota.duis.response import Response
    from tests.hub_support import Lab

HCALCS_ID = HCALCS.eui64
ADDRESSED = (ServiceUser(SUPPLIER.eui64, answer_url="http://supplier.example/answers"),)
TOMORROW = datetime.fromtimestamp(EPOCH + 86_400, UTC)


def not_supported(command: Message) -> Message:
    """Return the HCALCS's signed ECS100 for a command, as GBCS 7.2.9.1 lays it out."""
    named = command.message_code.to_bytes(2, "big") + command.originator_counter.to_bytes(8, "big")
    alert = Message(
        cra=Cra.ALERT,
        originator_counter=1,
        originator=HCALCS_ID,
        recipient=BROKER.eui64,
        message_code=0x0120,
        supplementary_remote_party=SUPPLIER.eui64,
        supplementary_remote_party_counter=command.originator_counter,
        payload=bytes.fromhex("0f 20000001 00 0203 12 8f85 090c 07df0101ff000000008000ff 090a") + named,
    )
    return sign(alert, HCALCS.signing_key)


def sent(made: Lab) -> list[Response]:
    return [parse_response(each.document) for each in made.dcc_store.outgoing(SUPPLIER.eui64, 100)]


async def last_command(made: Lab) -> Message:
    await asyncio.sleep(1)
    return Message.decode(made.radio.devices[HCALCS_ID].messages[-1])


@pytest.mark.parametrize("when", [None, TOMORROW])
@virtual
async def test_an_activation_that_is_not_supported_fails_at_once_and_its_job_with_it(
    when: datetime | None,
) -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        response = made.activate(when)
        command = await last_command(made)
        alert, before, now = not_supported(command), len(sent(made)), made.clock.now()
        device.say(alert)
        with pytest.raises(NoResponseError, match="does not support the command") as caught:
            await response
        assert "stays silent" not in str(caught.value.hint)
        assert made.clock.now() - now < 60  # the time-out is 600 s
        job = made.job(HCALCS_ID)
        assert (job.state, job.reason, job.execution_at) == (
            "failed",
            "the device does not support CS06 (alert ECS100)",
            None,
        )
        told, given_up = sent(made)[before:]
        assert told.body == DeviceAlertMessage(0x8F85, alert.encode())
        assert given_up.response_code == "E21"
        assert given_up.request_id is not None
        assert given_up.request_id.counter == command.originator_counter
        assert made.dcc_store.commands() == []


@virtual
async def test_a_read_out_that_is_not_supported_ends_alone() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        response = made.read_version(HCALCS_ID)
        device.say(not_supported(await last_command(made)))
        with pytest.raises(NoResponseError, match="does not support the command"):
            await response
        assert made.state(HCALCS_ID) == "held"


@pytest.mark.parametrize("other", ["use case", "counter"])
@virtual
async def test_an_alert_of_another_command_ends_nothing(other: str) -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        response = made.activate()
        command = await last_command(made)
        meant = (
            replace(command, message_code=0x0129)
            if other == "use case"
            else replace(command, originator_counter=command.originator_counter - 1)
        )
        device.say(not_supported(meant))
        await asyncio.sleep(1)
        assert made.of(EventKind.DEVICE_ALERT)[-1].detail["alert_code"] == "8F85"
        assert not response.done()
        assert made.state(HCALCS_ID) == "activating"
        device.say(outcome(command))
        await asyncio.sleep(1)
        assert made.state(HCALCS_ID) == "activated"


@virtual
async def test_an_alert_that_does_not_verify_ends_nothing() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        response = made.activate()
        alert = replace(not_supported(await last_command(made)), signature=None)
        device.say(sign(alert, SUPPLIER.signing_key))
        await asyncio.sleep(1)
        assert made.of(EventKind.GBCS_REFUSED)
        assert not response.done()
        assert made.state(HCALCS_ID) == "activating"


@virtual
async def test_a_cancellation_that_is_not_supported_leaves_the_activation_it_was_to_cancel() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.held()
        _ = made.activate(TOMORROW)
        command = await last_command(made)
        device.say(sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key))
        await asyncio.sleep(1)
        cancelled = made.activate(CANCELLATION)
        device.say(not_supported(await last_command(made)))
        with pytest.raises(NoResponseError):
            await cancelled
        job = made.job(HCALCS_ID)
        assert (job.state, job.execution_at) == ("activating", TOMORROW.timestamp())


@virtual
async def test_the_alert_of_a_device_without_a_job_ends_its_command() -> None:
    async with lab(users=ADDRESSED) as made:
        device = await made.joined(HCALCS, JobKind.HCALCS)
        response = made.activate()
        device.say(not_supported(await last_command(made)))
        with pytest.raises(NoResponseError, match="does not support the command"):
            await response
        assert made.store.jobs() == []
