"""Which tests run where, what a skip says, and what a broken bench does to a run."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from tests.plugin_support import BENCH, INI, METAL, NOWHERE, run, written

pytest_plugins = ("pytester",)

MARKED = """
    import pytest
    @pytest.mark.hardware
    def test_hardware(radio): pass
    @pytest.mark.emulated
    def test_emulated(radio): pass
    @pytest.mark.destructive
    def test_destructive(radio): pass
    @pytest.mark.radio("ezsp")
    def test_ezsp(radio):
        assert radio.family == "ezsp"
    @pytest.mark.radio(features=["sleepy"])
    def test_feature(radio): pass
    @pytest.mark.device("hcalcs")
    def test_device(radio): pass
    @pytest.mark.hardware
    def test_without_a_radio(): pass
"""


@pytest.fixture(autouse=True)
def _no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANOTA_BENCH", raising=False)


def skips(result: pytest.RunResult) -> set[str]:
    """The skips of a run, as `test: reason`."""
    return {
        line.split("] ", 1)[1].split(": ", 1)[1] for line in result.outlines if line.startswith("SKIPPED")
    }


def test_without_metal_its_tests_name_the_option_that_would_run_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED)
    result = run(pytester, "-rs")
    # emulated, destructive and device run on both, ezsp on the one it is for.
    result.assert_outcomes(passed=7, skipped=5)
    assert skips(result) == {
        "needs metal: --radio URL, and --bench FILE for its devices",
        "needs sleepy: a bench file with features = ['sleepy'] by --bench FILE",
    }


def test_on_metal_a_skip_names_the_option_that_would_run_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED)
    result = run(pytester, *METAL, "-rs")
    result.assert_outcomes(passed=2, skipped=5)
    assert skips(result) == {
        "looks into an emulated dongle: run it without --radio and --bench",
        "leaves dongle or device other than it was: --allow-destructive",
        "is for ezsp dongles: --radio ezsp:///dev/...",
        "needs sleepy: a bench file with features = ['sleepy'] by --bench FILE",
        "needs the device hcalcs: --bench FILE with a table [device.hcalcs]",
    }


def test_what_may_be_destroyed_and_what_the_bench_has_runs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED)
    bench = written(pytester.path, 'features = ["sleepy"]\n' + BENCH.replace("ppmid", "hcalcs"))
    result = run(pytester, *METAL, "--bench", bench, "--allow-destructive")
    result.assert_outcomes(passed=5, skipped=2)
    ini = "hanota_allow_destructive = true\nhanota_bench = bench.toml"
    run(pytester, *METAL, ini=ini).assert_outcomes(passed=5, skipped=2)


def test_a_family_that_there_is_not_is_told_of(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.radio("deconz")
        def test_it(radio): pass
    """)
    assert skips(run(pytester, "-rs")) == {"its markers name no family there is: znp, ezsp"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("hcalcs", "needs the device hcalcs: --bench FILE with a table [device.hcalcs]"),
        ("ppmid, power", "needs the power of ppmid: --bench FILE with power in [device.ppmid]"),
        ("ppmid, console", "needs the console of ppmid: --bench FILE with console in [device.ppmid]"),
        ("ppmid, images", "needs an image: --image FILE"),
    ],
)
def test_a_fixture_that_the_bench_cannot_give_names_its_key(
    arguments: str, reason: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(f"async def test_it({arguments}): pass")
    result = run(pytester, *METAL, "--bench", written(pytester.path, BENCH), "-rs")
    assert skips(result) == {reason}


def test_a_broken_bench_skips_the_rest_with_its_first_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        async def test_one(hub): pass
        async def test_two(coordinator): pass
        def test_other(): pass
        async def test_three(rig): pass
    """)
    result = run(pytester, *METAL, "-rsE")
    result.assert_outcomes(errors=1, skipped=2, passed=1)
    assert f"no bench: cannot open znp:///dev/{NOWHERE}" in result.stdout.str()
    (reason,) = skips(result)
    assert reason.startswith(f"the bench is broken since an earlier test: cannot open znp:///dev/{NOWHERE}")


def test_each_dongle_is_broken_for_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_one(hub): pass\nasync def test_two(hub): pass")
    result = run(pytester, *METAL, "--radio", "ezsp:///dev/hanota-other", "-rsE")
    result.assert_outcomes(errors=2, skipped=2)
    assert len(skips(result)) == 2


FAKE = """
    import contextlib, pytest
    from types import SimpleNamespace
    import hanota.conformance.rig as rig_module
    from hanota.bench.errors import BenchError

    class FakeDevice:
        name, power, console = "ppmid", None, None

    class FakeRig:
        def __init__(self, options):
            self.options, self.devices, self.events = options, {"ppmid": FakeDevice()}, []
            self.coordinator = SimpleNamespace(facts=self.facts)
            self.store = SimpleNamespace(jobs=lambda: [])
        async def facts(self):
            return SimpleNamespace(firmware="fake 1.0", network=None, eui64="its own")
        async def join(self, device): pass

    @contextlib.asynccontextmanager
    async def open_rig(options):
        yield FakeRig(options)

    @pytest.fixture(autouse=True)
    def fake_rig(monkeypatch):
        monkeypatch.setattr(rig_module, "open_rig", open_rig)
"""


def test_a_driver_that_fails_in_a_test_fails_it_and_skips_the_rest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(FAKE)
    pytester.makepyfile("""
        from hanota.bench.errors import BenchError
        async def test_one(rig): pass
        async def test_two(rig): raise BenchError("the relay was unplugged")
        async def test_three(rig): pass
    """)
    result = run(pytester, *METAL, "--bench", written(pytester.path, BENCH), "-rs")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert skips(result) == {"the bench is broken since an earlier test: the relay was unplugged"}


def test_devices_stay_known_from_test_to_test_of_one_dongle(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(FAKE)
    pytester.makepyfile("""
        seen = set()
        async def test_one(rig):
            seen.add(rig.options.database)
            assert rig.options.dongle is None
        async def test_two(rig):
            assert rig.options.database in seen
            assert rig.options.dongle == "its own"  # not to be asked again
            assert rig.options.bench.of_type("ppmid") is not None
    """)
    run(pytester, *METAL, "--bench", written(pytester.path, BENCH)).assert_outcomes(passed=2)


def test_a_device_switched_by_hand_is_skipped_where_nobody_is_at_the_terminal(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(FAKE)
    pytester.makepyfile("async def test_one(ppmid, power): pass\nasync def test_two(ppmid): pass")
    bench = written(pytester.path, BENCH + 'power = { driver = "manual" }\n')
    result = run(pytester, *METAL, "--bench", bench, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert skips(result) == {
        "needs the power of ppmid: it is switched by hand: run it where somebody is at the terminal"
    }


def test_a_person_at_the_terminal_is_asked_though_pytest_captures_it(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(FAKE)
    pytester.makepyfile("async def test_it(rig): await rig.options.prompt('Switch ppmid OFF')")
    bench = written(pytester.path, BENCH + 'power = { driver = "manual" }\n')
    person, terminal = pty.openpty()
    os.write(person, b"\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *METAL, "--bench", bench)
    done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, check=False, timeout=60)
    os.close(person)
    os.close(terminal)
    assert "1 passed" in done.stdout, done.stdout
    assert ">>> Switch ppmid OFF, then press Enter" in done.stdout


def test_power_of_two_devices_asks_which(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_it(ppmid, hcalcs, power): pass")
    result = run(pytester, "--radio", "znp")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*power of which device?*@pytest.mark.device*"])


LABGRID = """
    import pytest
    from types import SimpleNamespace
    class NoDriverFoundError(Exception):
        def __init__(self, msg): self.msg = msg
    class TIMEOUT(Exception): pass
    class Driver:
        state = SimpleNamespace(name="bound")
    class Power(Driver):
        said = []
        def on(self): self.said.append("on")
        def off(self): self.said.append("off")
    class Console(Driver):
        lines = [b"booted\\r\\n"]
        typed = b""
        def read(self, size, timeout):
            if self.lines: return self.lines.pop()
            raise TIMEOUT
        def write(self, data): Console.typed += data
    class ManualPowerDriver(Power): pass
    class Target:
        active = []
        def __init__(self, name): self.name = name
        def get_driver(self, protocol, activate):
            assert activate is False
            try:
                return DRIVERS[self.name][protocol]
            except KeyError:
                raise NoDriverFoundError(f"no {protocol} driver found in {self.name}")
        def activate(self, driver): self.active.append(driver)
        def deactivate(self, driver): self.active.remove(driver)
    DRIVERS = {"main": {"PowerProtocol": Power(), "ConsoleProtocol": Console()}, "display": {}}
    def pytest_addoption(parser): parser.addoption("--lg-env")
    @pytest.fixture(scope="session")
    def env():
        config = SimpleNamespace(get_targets=lambda: DRIVERS)
        return SimpleNamespace(config=config, get_target=Target, interact=input)
"""
"""As much of labgrid's plugin as ours needs; tests/emulator/test_plugin_with_labgrid.py has the true one."""


@pytest.fixture
def labgrid(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Options with which labgrid is there and has an environment."""
    monkeypatch.delenv("LG_ENV", raising=False)
    pytester.makeconftest(FAKE)
    pytester.makepyfile(labgrid_fake=LABGRID)
    pytester.syspathinsert()
    return (*METAL, "--bench", written(pytester.path, BENCH), "-p", "labgrid_fake", "-rs")


def test_labgrid_gives_power_and_console_where_the_bench_file_names_none(
    pytester: pytest.Pytester, labgrid: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("""
        import labgrid_fake
        async def test_it(ppmid, power, console):
            await power.off()
            await power.on()
            assert labgrid_fake.Power.said == ["off", "on"]
            await console.expect("^booted", 5)
            await console.send_line("help")
            assert labgrid_fake.Console.typed == b"help\\r\\n"
            assert len(labgrid_fake.Target.active) == 2
        def test_the_next_rig_opens_the_console_anew():
            assert labgrid_fake.Target.active == []
    """)
    run(pytester, *labgrid, "--lg-env", "x").assert_outcomes(passed=2)
    run(pytester, *labgrid).assert_outcomes(skipped=1, passed=1)
    monkeypatch.setenv("LG_ENV", "x")
    run(pytester, *labgrid).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("drivers", "device", "reason"),
    [
        ({}, "ppmid", "needs the power of ppmid: labgrid: no PowerProtocol driver found in main"),
        (
            {"PowerProtocol": "ManualPowerDriver()"},
            "ppmid",
            "needs the power of ppmid: it is switched by hand (run it where somebody is at the terminal)",
        ),
    ],
    ids=["none", "by hand"],
)
def test_what_labgrid_has_not_is_told_in_the_skip(
    drivers: dict[str, str],
    device: str,
    reason: str,
    pytester: pytest.Pytester,
    labgrid: tuple[str, ...],
) -> None:
    pytester.makepyfile("""
        async def test_it(ppmid, power): pass
        async def test_without(ppmid): pass
    """)
    made = ", ".join(f'"{name}": {driver}' for name, driver in drivers.items())
    with (pytester.path / "labgrid_fake.py").open("a", encoding="utf-8") as file:
        file.write(f'\nDRIVERS["main"] = {{{made}}}\n')
    result = run(pytester, *labgrid, "--lg-env", "x")
    result.assert_outcomes(passed=1, skipped=1)
    assert skips(result) == {reason}


def test_a_device_without_a_target_of_labgrids_is_told_of(
    pytester: pytest.Pytester, labgrid: tuple[str, ...]
) -> None:
    pytester.makepyfile("async def test_it(ppmid, power): pass")
    with (pytester.path / "labgrid_fake.py").open("a", encoding="utf-8") as file:
        file.write('\ndel DRIVERS["main"]\n')
    result = run(pytester, *labgrid, "--lg-env", "x")
    assert skips(result) == {"needs the power of ppmid: labgrid's environment has no target ppmid"}


def test_a_target_named_as_the_device_comes_before_the_main_one(
    pytester: pytest.Pytester, labgrid: tuple[str, ...]
) -> None:
    pytester.makepyfile("""
        import labgrid_fake
        async def test_it(ppmid, power, rig):
            await power.on()
            assert labgrid_fake.DRIVERS["ppmid"]["PowerProtocol"].said == ["on", "of the ppmid"]
    """)
    with (pytester.path / "labgrid_fake.py").open("a", encoding="utf-8") as file:
        file.write("""
class PpmidPower(Power):
    said = []
    def on(self): self.said += ["on", "of the ppmid"]
DRIVERS["ppmid"] = {"PowerProtocol": PpmidPower()}
""")
    run(pytester, *labgrid, "--lg-env", "x").assert_outcomes(passed=1)
