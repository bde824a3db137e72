"""Captures of whole updates: Wireshark names what went over the HAN, and no key is in the file."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hanota.clock import LoopClock
from hanota.demo.assembly import assembled
from hanota.demo.bench import make_bench
from hanota.demo.plan import default_plan
from hanota.demo.scenario import Scenario
from hanota.emulator.loop import run_virtual
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.journal import Journal
from hanota.radio.capture import Capture, CaptureSettings
from hanota.store.store import SqliteStore
from tests.radio_dongles import DONGLES, ZNP
from tests.simulation.update_support import EPOCH, lab_parties, supplier_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.radio_dongles import Dongle

IMAGE = 1_000
OTA = "zbee_aps.cluster == 0x0019"
wireshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark (apt install tshark)")


def captured_update(dongle: Dongle, path: Path, settings: CaptureSettings | None = None) -> list[bytes]:
    """Update a PPMID and an HCALCS with a capture at `path`; return every key of the HAN."""

    async def main() -> list[bytes]:
        clock = LoopClock(asyncio.get_running_loop(), EPOCH)
        parties = lab_parties((PPMID, HCALCS))
        plan = default_plan(IMAGE, supplier_key(parties), 1, 0)
        bench = make_bench(plan, parties, clock, 1, radio=dongle.family, version=dongle.version)
        store = SqliteStore(":memory:")
        capture = Capture(path, clock, settings)
        try:
            async with assembled(
                parties,
                bench,
                store=store,
                journal=Journal(store, clock),
                clock=clock,
                seed=1,
                capture=capture,
            ) as assembly:
                outcomes = await Scenario(plan, assembly).run()
                assert all(outcome.succeeded for outcome in outcomes)
                # Private: a device gives its keys to nobody.
                return [
                    key
                    for device in bench.devices.values()
                    for key in (device._join_key, device.link_key_for(parties.hub.eui64))
                    if key is not None
                ]
        finally:
            capture.close()
            bench.switch_off()
            store.close()

    return run_virtual(main())


def tshark(path: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["tshark", "-r", str(path), *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


@wireshark
@pytest.mark.parametrize("dongle", DONGLES, ids=str)
def test_wireshark_names_the_ota_commands_of_an_update(dongle: Dongle, tmp_path: Path) -> None:
    path = tmp_path / "han.pcapng"
    captured_update(dongle, path)
    told = "\n".join(tshark(path, "-Y", OTA, "-V"))
    for command in (
        "Image Notify",
        "Query Next Image Request",
        "Query Next Image Response",
        "Image Block Request",
        "Image Block Response",
        "Upgrade End Request",
        "Upgrade End Response",
    ):
        assert command in told
    assert "Malformed" not in told


@wireshark
def test_a_capture_has_addresses_directions_and_the_signal(tmp_path: Path) -> None:
    path = tmp_path / "han.pcapng"
    captured_update(ZNP, path)
    fields = [argument for name in ("frame.packet_flags_direction", "zbee_nwk.src", "wpan-tap.lqi")
              for argument in ("-e", name)]  # fmt: skip
    rows = [
        line.split("\t") for line in tshark(path, "-Y", OTA, "-T", "fields", "-E", "occurrence=f", *fields)
    ]
    directions = Counter(direction for direction, _, _ in rows)
    assert directions.keys() == {"0x00000001", "0x00000002"}
    for direction, source, lqi in rows:
        sent = direction == "0x00000002"
        assert (source == "0x0000") is sent
        assert bool(lqi) is not sent


def test_no_key_is_in_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "han.pcapng"
    keys = captured_update(ZNP, path)
    assert len(keys) >= 4
    octets = path.read_bytes()
    for key in keys:
        assert key not in octets
        assert key[::-1] not in octets
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_capture_ends_whole_and_the_update_goes_on(tmp_path: Path) -> None:
    path, limit = tmp_path / "han.pcapng", 8_000
    captured_update(ZNP, path, CaptureSettings(largest_file=limit))
    octets = path.read_bytes()
    assert limit - 300 < len(octets) <= limit
    offset = 0
    while offset < len(octets):
        length = int.from_bytes(octets[offset + 4 : offset + 8], "little")
        assert octets[offset + length - 4 : offset + length] == length.to_bytes(4, "little")
        offset += length
    assert offset == len(octets)


def test_a_capture_to_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(ConfigError, match="cannot write a capture"):
            Capture(tmp_path / "nowhere" / "han.pcapng", LoopClock(loop, EPOCH))
    finally:
        loop.close()
