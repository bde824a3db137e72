"""When a device executes a future dated CS06: told with its job from the command to what ends it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from hanota.api.rest.views import JobView
from hanota.dcc.errors import NoResponseError
from hanota.dcc.exchange import ExchangeSettings
from hanota.dcc.settings import DccSettings
from hanota.duis.request import CANCELLATION
from hanota.errors import StoreError
from hanota.gbcs.activate_firmware import CommandAccepted, activate_firmware_response
from hanota.gbcs.crypto import sign
from hanota.gbcs.message import Message
from hanota.store.store import SqliteStore
from tests.hub_parties_support import EPOCH, HCALCS, SUPPLIER, outcome
from tests.hub_support import FullDisk, lab, virtual

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hub_support import Lab

TOMORROW = datetime.fromtimestamp(EPOCH + 86_400, UTC)
LATER = TOMORROW + timedelta(days=1)


async def commanded(made: Lab, when: datetime | None) -> asyncio.Future[Message]:
    response = made.activate(when)
    await asyncio.sleep(1)
    return response


async def accept(made: Lab) -> None:
    device = made.radio.devices[HCALCS.eui64]
    command = Message.decode(device.messages[-1])
    device.say(sign(activate_firmware_response(command, CommandAccepted(), EPOCH), HCALCS.signing_key))
    await asyncio.sleep(1)


def told(made: Lab) -> tuple[str, float | None]:
    """Return state and execution time of the job, which memory and the store know alike."""
    stored = made.job(HCALCS.eui64)
    if not stored.state.is_end:
        assert made.hub.jobs.open_job(HCALCS.eui64) == stored
    return str(stored.state), stored.execution_at


@virtual
async def test_a_job_tells_its_execution_time_from_the_command_until_it_is_cancelled() -> None:
    async with lab() as made:
        await made.held()
        assert told(made) == ("held", None)
        _ = await commanded(made, TOMORROW)
        assert told(made) == ("activating", TOMORROW.timestamp())
        await accept(made)
        assert told(made) == ("activating", TOMORROW.timestamp())
        view = JobView.of(made.job(HCALCS.eui64)).model_dump(mode="json")
        assert datetime.fromisoformat(view["execution_at"]) == TOMORROW
        _ = await commanded(made, CANCELLATION)
        assert told(made) == ("activating", TOMORROW.timestamp())  # the device may refuse to cancel it
        await accept(made)
        assert told(made) == ("held", None)


@virtual
async def test_a_later_command_changes_the_time_and_one_for_now_takes_it_away() -> None:
    async with lab() as made:
        device = await made.held()
        _ = await commanded(made, TOMORROW)
        await accept(made)
        _ = await commanded(made, LATER)
        assert told(made) == ("activating", LATER.timestamp())
        await accept(made)
        _ = await commanded(made, None)
        assert told(made) == ("activating", None)
        device.say(outcome(device.messages[-1]))
        await asyncio.sleep(1)
        assert told(made) == ("activated", None)


@virtual
async def test_a_command_that_gets_no_response_leaves_no_time_behind() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(response_timeout=60))) as made:
        await made.held()
        response = await commanded(made, TOMORROW)
        with pytest.raises(NoResponseError):
            await response
        assert told(made) == ("activating", None)


@pytest.mark.parametrize("given_up", [LATER, CANCELLATION, None])
@virtual
async def test_a_command_without_response_leaves_the_time_that_the_device_accepted_before(
    given_up: datetime | None,
) -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(response_timeout=60))) as made:
        await made.held()
        _ = await commanded(made, TOMORROW)
        await accept(made)
        response = await commanded(made, given_up)
        with pytest.raises(NoResponseError):
            await response
        assert told(made) == ("activating", TOMORROW.timestamp())


@virtual
async def test_a_time_that_brings_no_outcome_is_told_no_longer_than_the_outcome_is_waited_for() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(future_dated_timeout=3600))) as made:
        await made.held()
        _ = await commanded(made, TOMORROW)
        await accept(made)
        await asyncio.sleep(86_400)
        assert told(made) == ("activating", TOMORROW.timestamp())
        await asyncio.sleep(3600)
        assert told(made) == ("activating", None)


@virtual
async def test_the_loss_of_a_read_out_leaves_the_time_of_the_activation() -> None:
    async with lab(dcc_settings=DccSettings(exchange=ExchangeSettings(response_timeout=60))) as made:
        await made.held()
        _ = await commanded(made, TOMORROW)
        await accept(made)
        with pytest.raises(NoResponseError):
            await made.read_version(HCALCS.eui64)
        assert told(made) == ("activating", TOMORROW.timestamp())


def test_the_time_is_known_after_a_restart(tmp_path: Path) -> None:
    @virtual
    async def first() -> None:
        with closing(SqliteStore(tmp_path / "hub.db")) as store:
            async with lab(store=store) as made:
                await made.held()
                _ = await commanded(made, TOMORROW)
                await accept(made)

    first()
    with closing(SqliteStore(tmp_path / "hub.db")) as store:
        (job,) = store.jobs()
        assert (str(job.state), job.execution_at) == ("activating", TOMORROW.timestamp())


@virtual
async def test_a_command_that_could_not_be_stored_leaves_neither_state_nor_time() -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            await made.held()
            request_id, pre_command = made.pre_command(TOMORROW)
            store.failing = "INSERT INTO command"
            signed = sign(pre_command, SUPPLIER.signing_key)
            with pytest.raises(StoreError):
                _ = made.send_signed(request_id, signed.encode())
            store.failing = None
            assert told(made) == ("held", None)
