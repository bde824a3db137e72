"""The coordinator on the ports an operator has: a pseudo terminal and TCP, in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.clock import SystemClock
from hanota.emulator.air import Air
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.errors import RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.radio import Coordinator, RadioUrl
from hanota.zcl import ClusterId
from tests.radio_dongles import DONGLES
from tests.radio_support import FRAME, PPMID, SETTINGS, Bench, Listener, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.line import Line
    from tests.radio_dongles import Dongle


@pytest.mark.parametrize(("serve", "joint"), [(served_on_pty, "://"), (served_on_tcp, "+")])
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
async def test_a_coordinator_on_a_port_forms_joins_sends_and_is_missed_when_it_is_pulled(
    dongle: Dongle,
    serve: Callable[[Line], AbstractAsyncContextManager[str]],
    joint: str,
) -> None:
    air = Air()
    ncp = dongle.make(air)
    async with serve(ncp.line) as path:
        radio = Coordinator(RadioUrl.parse(f"{dongle.family}{joint}{path}"), SETTINGS, clock=SystemClock())
        async with started(Bench(air, ncp, radio, Listener())) as b:
            node = await b.joined()
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).payload == FRAME
            ncp.line.unplug()
            await b.listener.until(lambda: b.radio.state is RadioState.LOST, 5)
            with pytest.raises(RadioError):
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
