"""The coordinator lost and found: unplugged, silent, restarted by itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Air
from hanota.emulator.loop import run_virtual
from hanota.emulator.serialx_handler import published
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.errors import RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.zcl import ClusterId
from tests.radio_support import HCALCS, HUB, INSTALL_CODES, NETWORK_KEY, PPMID, ScriptedNode, bench

if TYPE_CHECKING:
    from tests.radio_support import Bench

FRAME = b"\x19\x01\x00\x00\x64"


async def until_state(b: Bench, state: RadioState, seconds: float = 120) -> str:
    """Wait for a state that is new and return the reason given."""
    known = len(b.listener.states)
    await b.listener.until(lambda: any(s is state for s, _ in b.listener.states[known:]), seconds)
    return next(reason for s, reason in b.listener.states[known:] if s is state)


async def still_works(b: Bench, node: ScriptedNode) -> None:
    """A frame goes each way."""
    node.received.clear()
    b.listener.frames.clear()
    await b.radio.send(node.eui64, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
    assert (await node.hears()).payload == FRAME
    await node.say(ClusterId.TUNNELING, FRAME)
    await b.listener.until(lambda: b.listener.frames)


def test_a_dongle_unplugged_in_mid_traffic_fails_what_was_under_way_and_is_taken_up_when_it_is_back() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            node.power_off()  # so that frames stay under way
            sending = [
                asyncio.ensure_future(
                    b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.BULK)
                )
                for _ in range(20)
            ]
            await asyncio.sleep(0.001)
            b.ncp.line.unplug()
            reason = await until_state(b, RadioState.LOST, 1)
            assert "unplugged" in reason
            results = await asyncio.gather(*sending, return_exceptions=True)
            assert all(isinstance(result, RadioError) for result in results)
            with pytest.raises(RadioError, match="the coordinator is lost"):
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            with pytest.raises(RadioError, match="the coordinator is lost"):
                await b.radio.permit_joining(HCALCS, INSTALL_CODES[HCALCS], 60)
            await asyncio.sleep(600)
            assert b.radio.state is RadioState.LOST
            assert b.radio.eui64 == HUB
            b.ncp.line.plug()
            await until_state(b, RadioState.ONLINE, 70)
            await node.power_on()
            await still_works(b, node)

    run_virtual(main())


def test_a_coordinator_that_restarts_by_itself_is_noticed_at_once_and_opened_again() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            loop = asyncio.get_running_loop()
            restarted = loop.time()
            b.ncp.reset()
            reason = await until_state(b, RadioState.LOST, 1)
            assert "restarted" in reason
            assert loop.time() - restarted < 0.1
            await until_state(b, RadioState.ONLINE, 30)
            await still_works(b, node)

    run_virtual(main())


def test_a_route_lost_with_the_coordinators_memory_is_found_again() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            b.ncp.reset()
            await until_state(b, RadioState.ONLINE)
            b.air.detach(node)
            asyncio.get_running_loop().call_later(0.5, b.air.attach, node)
            await still_works(b, node)

    run_virtual(main())


def test_a_line_that_goes_silent_is_noticed_by_the_watchdog() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            loop = asyncio.get_running_loop()
            silent = loop.time()
            b.ncp.line.to_host.muted = True
            assert await until_state(b, RadioState.LOST, 60) == "the coordinator does not answer"
            assert loop.time() - silent <= 25
            b.ncp.line.to_host.muted = False
            await until_state(b, RadioState.ONLINE, 120)
            await still_works(b, node)

    run_virtual(main())


def test_a_window_that_was_open_is_open_again_after_the_coordinator_came_back() -> None:
    async def main() -> None:
        async with bench() as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 600)
            b.ncp.reset()
            await until_state(b, RadioState.ONLINE)
            await asyncio.sleep(1)
            await ScriptedNode(PPMID).join(b.air)
            await b.listener.until(lambda: PPMID in b.listener.joined)

    run_virtual(main())


def test_another_coordinator_on_the_same_port_is_not_taken_for_the_first() -> None:
    async def main() -> None:
        air = Air()
        first = ZnpCoordinator(air, eui64=HUB)
        async with bench(air=air, ncp=first) as b:
            first.line.unplug()
            await until_state(b, RadioState.LOST)
            first.stop()
            second = ZnpCoordinator(air, eui64=HCALCS)
            # The name stays published; what answers behind it is another dongle.
            first.__dict__.update(second.__dict__)
            await asyncio.sleep(300)
            assert b.radio.state is RadioState.LOST

    run_virtual(main())


def test_a_dongle_that_is_unplugged_while_it_is_opened_fails_the_start_at_once() -> None:
    async def main() -> None:
        air = Air()
        ncp = ZnpCoordinator(air, eui64=HUB)
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, ncp.line.unplug)
        with pytest.raises(RadioError, match="unplugged"):
            async with bench(air=air, ncp=ncp):
                pass
        assert loop.time() < 10

    run_virtual(main())


@pytest.mark.parametrize("muted", [False, True])
def test_stopping_ends_within_a_bounded_time_and_leaves_no_task(muted: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with bench() as b:
            await b.joined()
            b.ncp.line.to_host.muted = muted
            began = loop.time()
        assert loop.time() - began < 10
        assert b.radio.state is RadioState.STOPPED
        await asyncio.sleep(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_stopping_fails_what_is_under_way() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            node.power_off()
            sending = asyncio.ensure_future(
                b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            )
            await asyncio.sleep(0.001)
        with pytest.raises(RadioError, match="it was stopped"):
            await sending

    run_virtual(main())


def test_stopping_while_lost_ends_the_search() -> None:
    async def main() -> None:
        async with bench() as b:
            b.ncp.line.unplug()
            await until_state(b, RadioState.LOST)
        await asyncio.sleep(200)
        assert [state for state, _ in b.listener.states][-2:] == [RadioState.LOST, RadioState.STOPPED]

    run_virtual(main())


def test_a_stopped_coordinator_starts_again() -> None:
    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            await b.radio.stop()
            with published("dongle-again", b.ncp):
                await b.radio.start(b.listener)
                await still_works(b, node)

    run_virtual(main())


def test_secrets_are_not_in_the_log_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with bench() as b:
            node = await b.joined()
            b.ncp.reset()
            await until_state(b, RadioState.ONLINE)
            await still_works(b, node)

    run_virtual(main())
    text = caplog.text.lower().replace(":", "").replace(" ", "")
    for secret in (NETWORK_KEY, ScriptedNode(PPMID).link_key, INSTALL_CODES[PPMID]):
        assert secret.hex() not in text
        assert secret.hex(",").replace(",", "") not in text
        assert str(list(secret)).replace(" ", "") not in text
