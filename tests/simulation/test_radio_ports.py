"""The coordinator on the ports an operator has: a pseudo terminal and TCP, in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.clock import SystemClock
from hanota.emulator.air import Air
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.emulator.znp.coordinator import ZnpCoordinator
from hanota.errors import RadioError
from hanota.hub.ports import Priority, RadioState
from hanota.radio import Coordinator, RadioUrl
from hanota.zcl import ClusterId
from tests.radio_support import HUB, PPMID, SETTINGS, Bench, Listener, started

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.line import Line

FRAME = b"\x19\x01\x00\x00\x64"


@pytest.mark.parametrize(("serve", "scheme"), [(served_on_pty, "znp://"), (served_on_tcp, "znp+")])
async def test_a_coordinator_on_a_port_forms_joins_sends_and_is_missed_when_it_is_pulled(
    serve: Callable[[Line], AbstractAsyncContextManager[str]],
    scheme: str,
) -> None:
    air = Air()
    ncp = ZnpCoordinator(air, eui64=HUB)
    async with serve(ncp.line) as path:
        radio = Coordinator(RadioUrl.parse(f"{scheme}{path}"), SETTINGS, clock=SystemClock())
        async with started(Bench(air, ncp, radio, Listener())) as b:
            node = await b.joined()
            await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
            assert (await node.hears()).payload == FRAME
            ncp.line.unplug()
            await b.listener.until(lambda: b.radio.state is RadioState.LOST, 5)
            with pytest.raises(RadioError):
                await b.radio.send(PPMID, ClusterId.OTA_UPGRADE, FRAME, priority=Priority.NORMAL)
