"""Consoles: what is expected of what a device says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.bench.console import Console, ConsoleSettings
from hanota.bench.errors import BenchError, ConsoleTimeoutError
from hanota.emulator.loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path


def in_virtual_time(work: Coroutine[object, object, None]) -> None:
    run_virtual(work)


def test_what_came_before_or_comes_later_is_matched_once_each() -> None:
    async def main() -> None:
        console = Console("ppmid")
        console.feed(b"boot 1.2\r\nrea")
        assert (await console.expect(r"boot (\S+)", 1)).group(1) == "1.2"
        asyncio.get_running_loop().call_later(5, console.feed, b"dy\r\n")
        await console.expect("ready", 10)
        with pytest.raises(ConsoleTimeoutError):
            await console.expect("ready", 1)

    in_virtual_time(main())


def test_a_failure_shows_what_came_instead_and_where_all_of_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        console = Console("ppmid", log=tmp_path / "ppmid.log", stamp=lambda: "12:00")
        console.feed(b"panic: stack\nrestart\n")
        with pytest.raises(ConsoleTimeoutError, match=r"(?s)'ready' within 3 s.*panic: stack.*ppmid\.log"):
            await console.expect("ready", 3)
        console.close()

    in_virtual_time(main())
    assert (tmp_path / "ppmid.log").read_text() == "12:00 panic: stack\n12:00 restart\n"


def test_octets_that_are_no_text_and_characters_in_two_pieces_are_taken() -> None:
    async def main() -> None:
        console = Console("ppmid")
        for piece in (b"\xff\xfe 20 \xc2", b"\xb0C\n"):
            console.feed(piece)
        await console.expect("20 °C", 1)

    in_virtual_time(main())


def test_a_console_that_is_unplugged_is_the_benchs_fault_not_the_devices() -> None:
    async def main() -> None:
        console = Console("ppmid")
        asyncio.get_running_loop().call_later(1, console.lost, "unplugged")
        with pytest.raises(BenchError, match="unplugged"):
            await console.expect("ready", 60)

    in_virtual_time(main())


def test_neither_memory_nor_log_grows_without_end(tmp_path: Path) -> None:
    log = tmp_path / "ppmid.log"
    settings = ConsoleSettings(kept=100, largest_log=1_000)

    async def main() -> None:
        console = Console("ppmid", settings=settings, log=log)
        for _ in range(1_000):
            console.feed(b"restarting, and again\n")
        with pytest.raises(ConsoleTimeoutError) as caught:
            await console.expect("ready", 1)
        assert len(str(caught.value)) < 300
        console.close()

    in_virtual_time(main())
    assert log.stat().st_size < 1_100
    assert "full" in log.read_text()


async def test_a_console_without_input_says_so() -> None:
    with pytest.raises(BenchError, match="takes no input"):
        await Console("ppmid").send_line("reboot")
