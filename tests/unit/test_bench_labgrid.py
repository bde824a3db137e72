"""labgrid's drivers as the bench's: one thread for all of them, words for all they raise."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from hanota.bench.errors import BenchError
from hanota.bench.labgrid import labgrid_targets
from hanota.errors import ConfigError


class TIMEOUT(Exception):  # noqa: N818  # pexpect's name
    pass


class ExecutionError(Exception):
    """As labgrid's own: what it says is in `msg`."""

    def __init__(self, msg: str) -> None:
        self.msg = msg


class Driver:
    """A driver of both protocols that notes which thread calls it, and what else runs meanwhile."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(name="bound")
        self.threads: set[str] = set()
        self.calls: list[str] = []
        self.said: list[bytes | Exception] = []
        self.reads = 0
        self._lock = threading.Lock()

    def _note(self, call: str) -> None:
        assert self._lock.acquire(blocking=False), "two threads at once"
        self.threads.add(threading.current_thread().name)
        self.calls.append(call)
        time.sleep(0.01)
        self._lock.release()

    def on(self) -> None:
        self._note("on")

    def off(self) -> None:
        self._note("off")
        raise ExecutionError("the PDU does not answer")

    def read(self, size: int, timeout: float) -> bytes:
        self._note("read")
        self.reads += 1
        if not self.said:
            raise TIMEOUT
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    def write(self, data: bytes) -> None:
        self._note(f"write {data!r}")


class Target:
    """A target with one driver for everything."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.fault: Exception | None = None

    def get_driver(self, protocol: str, *, activate: bool) -> Driver:
        if self.fault is not None:
            raise self.fault
        return self.driver

    def activate(self, driver: Driver) -> None:
        driver.state.name = "active"
        driver.calls.append("activate")

    def deactivate(self, driver: Driver) -> None:
        driver.state.name = "bound"
        driver.calls.append("deactivate")


async def test_power_and_console_are_called_on_one_thread_alone() -> None:
    driver = Driver()
    driver.said = [b"boot", b"ed\r\n"]
    async with labgrid_targets({"main": Target(driver)}) as targets:
        console = await targets["main"].console("ppmid")
        power = await targets["main"].power(attended=False)
        await asyncio.gather(power.on(), console.send_line("help"), console.expect("^booted", 5), power.on())
    assert len(driver.threads) == 1
    assert {"on", "read", r"write b'help\r\n'"} <= set(driver.calls)
    assert driver.calls[0] == "activate"
    assert driver.calls[-1] == "deactivate"


async def test_a_driver_that_was_active_stays_so() -> None:
    driver = Driver()
    driver.state.name = "active"
    async with labgrid_targets({"main": Target(driver)}) as targets:
        await (await targets["main"].power(attended=False)).on()
    assert driver.calls == ["on"]


async def test_what_a_driver_raises_is_a_fault_of_the_bench_in_its_words() -> None:
    driver = Driver()
    async with labgrid_targets({"main": Target(driver)}) as targets:
        power = await targets["main"].power(attended=False)
        with pytest.raises(BenchError, match="could not switch the power off: the PDU does not answer"):
            await power.off()


async def test_a_console_that_breaks_is_told_of_to_who_expects() -> None:
    driver = Driver()
    driver.said = [b"boot", ExecutionError("child has vanished")]
    async with labgrid_targets({"main": Target(driver)}) as targets:
        console = await targets["main"].console("ppmid")
        with pytest.raises(BenchError, match=r"ppmid is gone: .*child has vanished"):
            await console.expect("booted", 5)


async def test_a_driver_that_does_not_wait_is_not_asked_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """labgrid's ExternalConsoleDriver returns at once where there is nothing."""
    driver = Driver()
    driver.said = [b""] * 1000
    paused: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        paused.append(seconds)
        await sleep(0)

    monkeypatch.setattr("hanota.bench.labgrid.asyncio.sleep", note)
    async with labgrid_targets({"main": Target(driver)}) as targets:
        await targets["main"].console("ppmid")
        while driver.reads < 3:
            await sleep(0.01)
    assert len(paused) >= 2
    assert min(paused) >= 0.05


@pytest.mark.parametrize("words", ["no PowerProtocol driver found", "multiple drivers matching"])
async def test_a_target_without_the_driver_is_no_broken_bench(words: str) -> None:
    class NoDriverFoundError(Exception):
        msg = words

    target = Target(Driver())
    target.fault = NoDriverFoundError()
    async with labgrid_targets({"main": target}) as targets:
        with pytest.raises(ConfigError, match=f"labgrid: {words}"):
            await targets["main"].power(attended=True)


async def test_a_driver_that_cannot_be_found_is_a_broken_bench() -> None:
    target = Target(Driver())
    target.fault = RuntimeError("the exporter is gone")
    async with labgrid_targets({"main": target}) as targets:
        with pytest.raises(BenchError, match="could not find ConsoleProtocol: the exporter is gone"):
            await targets["main"].console("ppmid")


async def test_a_person_who_is_not_there_is_not_asked() -> None:
    class ManualPowerDriver(Driver):
        pass

    async with labgrid_targets({"main": Target(ManualPowerDriver())}) as targets:
        with pytest.raises(ConfigError, match="switched by hand"):
            await targets["main"].power(attended=False)
        await (await targets["main"].power(attended=True)).on()
