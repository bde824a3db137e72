"""The versions of EZSP: what this hub speaks, and one that is too old for it."""

from __future__ import annotations

import pytest

from hanota.emulator.ezsp.frames import FIRMWARE
from hanota.emulator.loop import run_virtual
from hanota.errors import RadioError
from hanota.zcl import ClusterId
from tests.radio_dongles import EzspDongle
from tests.radio_support import bench


@pytest.mark.parametrize("version", sorted(FIRMWARE.keys() - {13, 14}))
def test_every_other_version_works_alike(version: int) -> None:
    async def main() -> None:
        async with bench(EzspDongle(version)) as b:
            node = await b.joined()
            await b.still_works(node)
            await node.say(ClusterId.TUNNELING, bytes(500))
            await b.listener.until(lambda: len(b.listener.frames) == 2)
            assert b.listener.frames[1].data == bytes(500)

    run_virtual(main())


def test_a_version_that_is_too_old_is_refused_and_what_to_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIRMWARE, 7, (6, 6, 4, 0))

    async def main() -> None:
        with pytest.raises(RadioError, match="speaks EZSP v7, this hub v8 and later") as caught:
            async with bench(EzspDongle(7)):
                pass
        assert caught.value.hint is not None
        assert "EmberZNet 6.7" in caught.value.hint

    run_virtual(main())
