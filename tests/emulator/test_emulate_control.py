"""Commands to a running emulation, as a person's keys and a test's control socket give them."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from hanota.emulator.devices import FirmwareDevice
from hanota.emulator.emulation.control import Control
from hanota.emulator.emulation.control_socket import LONGEST_LINE, control_socket
from hanota.emulator.emulation.ports import TcpPort
from hanota.emulator.emulation.sockets import MAXIMUM_CONNECTIONS
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import HCALCS, HUB, PPMID
from hanota.zcl import Status
from tests.emulator.emulate_support import TWO_DEVICES, Told, make_han

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from hanota.emulator.emulation.han import Han


def control_of(han: Han) -> Control:
    return Control(han, TcpPort(han.dongle.line, "tcp://127.0.0.1:6638"))


async def test_status_tells_of_the_dongle_and_every_device(tmp_path: Path) -> None:
    answer = await control_of(make_han(TWO_DEVICES, tmp_path)).execute({"command": "status"})
    devices = answer.pop("devices")
    assert answer == {
        "ok": True,
        "radio": "znp",
        "dongle": str(HUB),
        "port": "tcp://127.0.0.1:6638",
        "plugged": True,
        "open": False,
        "network_up": False,
        "air_broken": False,
    }
    assert isinstance(devices, list)
    assert devices[0] == {
        "device": str(PPMID),
        "kind": "ppmid",
        "joined": False,
        "nwk": None,
        "established": False,
        "switched_on": True,
        "file_version": "01000000",
        "file_offset": 0,
    }


async def test_a_join_that_is_refused_is_answered_with_the_reason(tmp_path: Path) -> None:
    control = control_of(make_han(TWO_DEVICES, tmp_path))
    for request in ({"command": "join"}, {"command": "join", "device": str(HCALCS)}):
        assert await control.execute(request) == {"ok": False, "error": "no network permits joining"}


async def test_faults_of_a_device_of_all_and_of_the_line_are_set(tmp_path: Path) -> None:
    han = make_han(TWO_DEVICES, tmp_path)
    control, faults = control_of(han), han.air.faults
    await control.execute({"command": "fault", "device": str(PPMID), "loss": 0.5, "latency": 2})
    assert (faults[PPMID].loss, faults[PPMID].latency, faults[HCALCS].loss) == (0.5, 2.0, 0.0)
    await control.execute({"command": "fault", "loss": 0.25})
    assert (faults[PPMID].loss, faults[PPMID].latency, faults[HCALCS].loss) == (0.25, 2.0, 0.25)
    await control.execute({"command": "fault", "line": "to_host", "muted": True})
    assert (han.dongle.line.to_host.muted, han.dongle.line.to_ncp.muted) == (True, False)
    await control.execute({"command": "fault", "line": "to_ncp", "one_octet_reads": True})
    assert han.dongle.line.to_ncp.one_octet_reads


async def test_a_fault_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    han = make_han(TWO_DEVICES, tmp_path)
    answer = await control_of(han).execute({"command": "fault", "loss": 2})
    assert not answer["ok"]
    assert han.air.faults[PPMID].loss == 0.0


async def test_breaking_and_unplugging_show_in_the_status(tmp_path: Path) -> None:
    han = make_han(TWO_DEVICES, tmp_path)
    control = control_of(han)
    for command, key, value in (
        ("break", "air_broken", True),
        ("heal", "air_broken", False),
        ("unplug", "plugged", False),
        ("plug", "plugged", True),
    ):
        assert await control.execute({"command": command}) == {"ok": True}
        assert (await control.execute({"command": "status"}))[key] is value


async def test_a_device_is_made_to_misbehave(tmp_path: Path) -> None:
    han = make_han(TWO_DEVICES, tmp_path)
    request = {"command": "misbehave", "device": str(PPMID), "name": "invalid_image"}
    assert await control_of(han).execute(request) == {"ok": True}
    device = han.members[PPMID].node
    assert isinstance(device, FirmwareDevice)
    assert device.verify_image(b"") == Status.INVALID_IMAGE


async def test_a_device_that_is_off_says_so_and_one_that_never_joined_is_not_brought_back(
    tmp_path: Path,
) -> None:
    han = make_han(TWO_DEVICES, tmp_path)
    control = control_of(han)
    await control.execute({"command": "power_off", "device": str(PPMID)})
    assert [member.switched_on for member in han.members.values()] == [False, True]
    await control.execute({"command": "power_on"})
    assert [member.switched_on for member in han.members.values()] == [True, True]
    assert not han.members[PPMID].node.joined


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ([], "not a JSON object"),
        ({}, "request: command is missing"),
        ({"command": "explode"}, "request: command = 'explode'"),
        ({"command": ["status"]}, "request: command = ['status']"),
        ({"command": "status", "device": "me"}, "not an EUI-64"),
        ({"command": "status", "device": "00-00-00-00-00-00-00-00"}, "no device 00-00-00-00-00-00-00-00"),
        ({"command": "status", "colour": "red"}, "unknown key colour"),
        ({"command": "leave"}, "request: device is missing"),
        ({"command": "leave", "device": str(PPMID)}, "is not on a network"),
        ({"command": "fault", "device": str(PPMID), "loss": "much"}, "loss = 'much'"),
        ({"command": "fault", "line": "sideways"}, "line = 'sideways'"),
        ({"command": "fault", "line": "to_host", "loss": 1}, "unknown key loss"),
        ({"command": "misbehave", "device": str(PPMID)}, "name is missing"),
        ({"command": "cmd", "device": str(PPMID), "text": "hello"}, "is not external"),
        ({"command": "cmd", "device": str(PPMID), "text": "x" * 2000}, "request: text = 'xxx"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_an_error(
    request_: object, told: str, tmp_path: Path
) -> None:
    answer = await control_of(make_han(TWO_DEVICES, tmp_path)).execute(request_)
    assert answer["ok"] is False
    assert told in str(answer["error"])


# -- the socket --------------------------------------------------------------------------------------------


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the control socket of a HAN."""
    async with control_socket(control_of(make_han(TWO_DEVICES, folder, told=Told())), folder / "control"):
        reader, writer = await asyncio.open_unix_connection(folder / "control")
        yield reader, writer
        writer.close()


async def line_of(reader: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(5):
        answer: dict[str, Any] = json.loads(await reader.readline())
    return answer


async def test_each_line_is_answered_with_a_line_in_order(tmp_path: Path) -> None:
    async with client(tmp_path) as (reader, writer):
        writer.write(b'{"command": "break"}\n{"command": "status"}\n{"comm')
        assert await line_of(reader) == {"ok": True}
        assert (await line_of(reader))["air_broken"] is True
        writer.write(b'and": "heal"}\r\n')
        assert await line_of(reader) == {"ok": True}


async def test_what_is_not_json_is_answered_and_the_connection_goes_on(tmp_path: Path) -> None:
    async with client(tmp_path) as (reader, writer):
        for line in (b"status", b"\xff\xfe", b"[" * 3000, b""):
            writer.write(line + b"\n")
            assert (await line_of(reader))["error"] == "not JSON"
        writer.write(b'{"command": "status"}\n')
        assert (await line_of(reader))["ok"] is True


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_without_end_is_answered_and_hung_up_on(end: bytes, tmp_path: Path) -> None:
    async with client(tmp_path) as (reader, writer):
        writer.write(b"x" * (LONGEST_LINE + 2000) + end)
        assert (await line_of(reader))["error"] == f"a line has at most {LONGEST_LINE} octets"
        assert await reader.read() == b""


async def test_only_the_owner_may_connect_and_the_socket_goes_with_the_emulation(tmp_path: Path) -> None:
    async with client(tmp_path):
        assert stat.S_IMODE((tmp_path / "control").stat().st_mode) == 0o600
    assert not (tmp_path / "control").exists()


async def test_a_socket_left_behind_is_replaced_one_in_use_or_a_file_is_not(tmp_path: Path) -> None:
    control, path = control_of(make_han(TWO_DEVICES, tmp_path)), tmp_path / "control"
    async with client(tmp_path):
        with pytest.raises(ConfigError, match="another program listens"):
            await control_socket(control, path).__aenter__()
    server = await asyncio.start_unix_server(lambda *_: None, path)
    server.close()
    await server.wait_closed()
    assert path.is_socket()
    async with control_socket(control, path):
        pass
    path.write_text("a file of the user's")
    with pytest.raises(ConfigError, match="is there already and is no socket"):
        await control_socket(control, path).__aenter__()


async def test_a_flood_of_connections_is_bounded(tmp_path: Path) -> None:
    async with client(tmp_path) as (_, writer):
        others = [
            await asyncio.open_unix_connection(tmp_path / "control") for _ in range(2 * MAXIMUM_CONNECTIONS)
        ]
        async with asyncio.timeout(5):
            for reader, _ in others[MAXIMUM_CONNECTIONS:]:
                assert await reader.read() == b""
        for _, other in others:
            other.close()
        writer.close()
