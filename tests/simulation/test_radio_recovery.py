"""The coordinator lost and found: unplugged, silent, restarted by itself."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.air import Air
from hanota.emulator.loop import run_virtual
from hanota.emulator.serialx_handler import published
from hanota.errors import RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.zcl import ClusterId
from tests.radio_dongles import DONGLES, HUB
from tests.radio_support import FRAME, HCALCS, INSTALL_CODES, NETWORK_KEY, PPMID, ScriptedNode, bench

if TYPE_CHECKING:
    from tests.radio_dongles import Dongle

pytestmark = pytest.mark.parametrize("dongle", DONGLES, ids=str)


def test_a_dongle_unplugged_in_mid_traffic_fails_what_was_under_way_and_is_taken_up_when_it_is_back(
    dongle: Dongle,
) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
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
            reason = await b.until_state(RadioState.LOST, 1)
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
            await b.until_state(RadioState.ONLINE, 70)
            await node.power_on()
            await b.still_works(node)

    run_virtual(main())


def test_a_coordinator_that_restarts_by_itself_is_noticed_at_once_and_opened_again(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            loop = asyncio.get_running_loop()
            restarted = loop.time()
            b.ncp.reset()
            reason = await b.until_state(RadioState.LOST, 1)
            assert "restarted" in reason
            assert loop.time() - restarted < 0.1
            await b.until_state(RadioState.ONLINE, 30)
            await b.still_works(node)

    run_virtual(main())


def test_a_line_that_goes_silent_is_noticed_by_the_watchdog(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            loop = asyncio.get_running_loop()
            silent = loop.time()
            b.ncp.line.to_host.muted = True
            assert await b.until_state(RadioState.LOST, 60) == "the coordinator does not answer"
            assert loop.time() - silent < 15
            b.ncp.line.to_host.muted = False
            await b.until_state(RadioState.ONLINE, 120)
            await b.still_works(node)

    run_virtual(main())


def test_a_window_that_was_open_is_open_again_after_the_coordinator_came_back(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            await b.radio.permit_joining(PPMID, INSTALL_CODES[PPMID], 600)
            b.ncp.reset()
            await b.until_state(RadioState.ONLINE)
            await asyncio.sleep(1)
            await ScriptedNode(PPMID).join(b.air)
            await b.listener.until(lambda: PPMID in b.listener.joined)

    run_virtual(main())


def test_another_coordinator_on_the_same_port_is_not_taken_for_the_first(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        first = dongle.make(air)
        async with bench(dongle, air=air, ncp=first) as b:
            first.line.unplug()
            await b.until_state(RadioState.LOST)
            first.stop()
            second = dongle.make(air, HCALCS)
            # The name stays published; what answers behind it is another dongle.
            first.__dict__.update(second.__dict__)
            await asyncio.sleep(300)
            assert b.radio.state is RadioState.LOST

    run_virtual(main())


def test_a_dongle_that_is_unplugged_while_it_is_opened_fails_the_start_at_once(dongle: Dongle) -> None:
    async def main() -> None:
        air = Air()
        ncp = dongle.make(air)
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, ncp.line.unplug)
        with pytest.raises(RadioError, match="unplugged"):
            async with bench(dongle, air=air, ncp=ncp):
                pass
        assert loop.time() < 10

    run_virtual(main())


@pytest.mark.parametrize("muted", [False, True])
def test_stopping_ends_within_a_bounded_time_and_leaves_no_task(dongle: Dongle, muted: bool) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with bench(dongle) as b:
            await b.joined()
            b.ncp.line.to_host.muted = muted
            began = loop.time()
        assert loop.time() - began < 10
        assert b.radio.state is RadioState.STOPPED
        await asyncio.sleep(60)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())


def test_stopping_fails_what_is_under_way(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            node.power_off()
            sending = asyncio.ensure_future(
                b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            )
            await asyncio.sleep(0.001)
        with pytest.raises(RadioError, match="it was stopped"):
            await sending

    run_virtual(main())


def test_stopping_while_lost_ends_the_search(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            b.ncp.line.unplug()
            await b.until_state(RadioState.LOST)
        await asyncio.sleep(200)
        assert [state for state, _ in b.listener.states][-2:] == [RadioState.LOST, RadioState.STOPPED]

    run_virtual(main())


def test_a_stopped_coordinator_starts_again(dongle: Dongle) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            await b.radio.stop()
            with published("dongle-again", b.ncp):
                await b.radio.start(b.listener)
                await b.still_works(node)

    run_virtual(main())


def test_a_listener_that_raises_on_every_call_does_not_stop_the_radio(
    dongle: Dongle, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            listener = b.listener

            def fail(*_: object) -> None:
                raise RuntimeError("a fault of the hub")

            deaf = dict.fromkeys(("frame_received", "frame_refused", "device_joined"), fail)
            listener.__dict__.update(deaf, radio_state_changed=fail)
            await node.say(ClusterId.OTA_UPGRADE, FRAME)
            await node.say(ClusterId.OTA_UPGRADE, FRAME, encrypted=False)
            b.ncp.reset()
            await asyncio.sleep(30)
            assert b.radio.state is RadioState.ONLINE
            assert "a fault of the hub" in caplog.text
            for name in (*deaf, "radio_state_changed"):
                del listener.__dict__[name]
            await b.still_works(node)

    run_virtual(main())


def test_secrets_are_not_in_the_log_even_at_debug(dongle: Dongle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with bench(dongle) as b:
            node = await b.joined()
            b.ncp.reset()
            await b.until_state(RadioState.ONLINE)
            await b.still_works(node)

    run_virtual(main())
    text = caplog.text.lower().replace(":", "").replace(" ", "")
    for secret in (NETWORK_KEY, ScriptedNode(PPMID).link_key, INSTALL_CODES[PPMID]):
        assert secret.hex() not in text
        assert secret.hex(",").replace(",", "") not in text
        assert str(list(secret)).replace(" ", "") not in text
