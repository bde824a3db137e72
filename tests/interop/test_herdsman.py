"""zigbee-herdsman, the host of zigbee2mqtt, on the emulated dongles: adapters `zstack` and `ember`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hanota.emulator.tty import served_on_tcp
from hanota.gbcs.reference_test_data import PPMID
from tests.emulator.emulate_support import Told, living, make_han
from tests.npm_support import installed

HERE = Path(__file__).parent
RUN_SECONDS = 60
QUICK = f"""
[dongle]
baudrate = 1000000
version = %s

[[device]]
kind = "ppmid"
eui64 = "{PPMID}"
install_code = false
autojoin = 0.2
"""


@pytest.fixture(scope="session")
def herdsman(pytestconfig: pytest.Config) -> Path:
    """Return a folder with zigbee-herdsman in it: installed once, in pytest's cache."""
    return installed(
        pytestconfig, "zigbee-herdsman", [HERE / name for name in ("package.json", "package-lock.json")]
    )


async def run_herdsman(installation: Path, adapter: str, dongle: str, folder: Path) -> dict[str, Any]:
    """Run herdsman.mjs to its end; return what it told, by event."""
    process = await asyncio.create_subprocess_exec(
        *("node", str(HERE / "herdsman.mjs"), adapter, dongle.replace("socket:", "tcp:"), str(folder)),
        cwd=installation,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            told, log = await process.communicate()
    except TimeoutError:
        process.kill()
        told, log = await process.communicate()
    assert process.returncode == 0, f"{told.decode()}\n{log.decode()}"
    return {event.pop("event"): event for event in map(json.loads, told.splitlines())}


@pytest.mark.parametrize(
    ("radio", "version", "adapter"),
    [
        ("znp", '"3.30"', "zstack"),
        ("znp", '"3.0"', "zstack"),
        ("ezsp", "13", "ember"),
        ("ezsp", "14", "ember"),
    ],
)
async def test_herdsman_forms_a_network_and_reads_from_a_device_that_joined_also_after_a_restart(
    radio: str, version: str, adapter: str, herdsman: Path, tmp_path: Path
) -> None:
    told = Told()
    han = make_han(QUICK % version, tmp_path, radio=radio, told=told)
    async with living(han), served_on_tcp(han.dongle.line) as dongle:
        events = await run_herdsman(herdsman, adapter, dongle, tmp_path)

    ieee = f"0x{PPMID.hex()}"
    basic = {"manufacturerName": "hanota", "modelId": "emulated PPMID"}
    assert events["started"]["result"] == "reset"
    assert events["network"]["panID"] == 0x1A62
    assert events["network"]["channel"] == 15
    assert events["interviewed"] == {
        "status": "successful",
        "ieee": ieee,
        "endpoints": [{"ID": 1, "profileID": 0x0109}],
    }
    assert events["read"] == basic
    assert events["started again"]["result"] == "resumed"
    assert events["read again"] == basic
    assert len([line for _, line in told.lines if "on the HAN as" in line]) == 1
