"""What is particular to Z-Stack coordinators."""

from __future__ import annotations

import asyncio

from hanota.emulator.loop import run_virtual
from hanota.hub.ports import RadioState
from tests.radio_dongles import ZnpDongle
from tests.radio_support import bench


def test_a_route_lost_with_the_coordinators_memory_is_found_again() -> None:
    async def main() -> None:
        async with bench(ZnpDongle()) as b:
            node = await b.joined()
            b.ncp.reset()
            await b.until_state(RadioState.ONLINE)
            b.air.detach(node)
            asyncio.get_running_loop().call_later(0.5, b.air.attach, node)
            await b.still_works(node)

    run_virtual(main())
