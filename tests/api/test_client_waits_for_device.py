"""`hanota client devices add --wait`: a script goes on when the device can be asked and updated."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from hanota.cli.client.devices import until_ready
from hanota.cli.client.errors import UpdateFailedError
from hanota.hub.jobs import JobKind
from tests.api.client_support import Served, served
from tests.hub_parties_support import STRANGER
from tests.hub_support import virtual

if TYPE_CHECKING:
    from hanota.cli.client.connection import Connection

CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
ADD = ("devices", "add", str(STRANGER.eui64), "--type", "PPMID", "--install-code", CODE, "--wait")


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanota.cli.client.devices.LOOK_INTERVAL", 0.01)


def joins_when_admitted(daemon: Served) -> None:
    """Have the device join once the hub admits it."""
    lab = daemon.api.lab

    async def join() -> None:
        while not lab.hub.is_admitted(STRANGER.eui64):  # noqa: ASYNC110  # it comes over a socket
            await asyncio.sleep(1)
        await lab.joined(STRANGER, JobKind.PPMID)

    asyncio.run_coroutine_threadsafe(join(), daemon.loop)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_it_ends_when_the_device_has_joined(options: tuple[str, ...]) -> None:
    with served() as daemon:
        joins_when_admitted(daemon)
        added = daemon.client(*ADD, *options)
        assert added.exit_code == 0, added.output
        if options:
            assert json.loads(added.stdout)["ready"] is True
        else:
            assert added.stdout.splitlines() == [
                f"{STRANGER.eui64} may join for 3600 s: switch it on",
                f"{STRANGER.eui64} has joined and is ready",
            ]
        assert daemon.client("devices", "show", str(STRANGER.eui64)).exit_code == 0


class NeverJoined:
    """A daemon whose device stays away."""

    async def get(self, path: str) -> Any:
        assert path == f"/devices/{STRANGER.eui64}"
        return {"ready": False}


@virtual
async def test_a_device_that_does_not_join_in_its_time_is_told_with_what_to_look_at() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(UpdateFailedError, match=f"{STRANGER.eui64} did not join in 3600 s") as caught:
        await until_ready(cast("Connection", NeverJoined()), str(STRANGER.eui64), 3600)
    assert asyncio.get_running_loop().time() - began == pytest.approx(3600)
    assert f"hanota client events --device {STRANGER.eui64}" in str(caught.value.hint)
