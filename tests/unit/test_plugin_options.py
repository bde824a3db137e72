"""The plugin's options: what a run is on, and what is said of a choice that cannot be."""

from __future__ import annotations

import os

import pytest

from hanota.bench.port_lock import PortLock
from hanota.testing import radio_info
from tests.plugin_support import BENCH, METAL, NOWHERE, run, written

pytest_plugins = ("pytester",)

HEAVY = ("zigpy", "bellows", "zigpy_znp", "serialx", "pydantic", "cryptography", "hanota.radio", "hanota.hub")


@pytest.fixture(autouse=True)
def _no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANOTA_BENCH", raising=False)


def test_without_options_a_test_runs_on_both_emulated_dongles_in_virtual_time(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import asyncio
        async def test_an_hour(radio, hub):
            assert radio.emulated
            await asyncio.sleep(3600)
    """)
    result = run(pytester, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_an_hour?znp? PASSED*", "*test_an_hour?ezsp? PASSED*"])
    result.stdout.no_fnmatch_line("hanota:*")


def test_other_tests_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio, pytest
        async def test_async():
            assert "Virtual" not in type(asyncio.get_running_loop()).__name__
        def test_sync(): pass
        @pytest.mark.parametrize("radio", ["mine"])
        def test_another_radio(radio):
            assert radio == "mine"
        @pytest.fixture
        def bench(): return "mine too"
        def test_another_bench(bench):
            assert bench == "mine too"
    """)
    result = run(pytester, "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*::test_async PASSED*", "*test_another_radio?mine? PASSED*"])


@pytest.mark.parametrize(
    ("given", "ini"),
    [(("--radio", "ezsp"), ""), ((), "hanota_radio = ezsp"), (("--radio", "ezsp"), "hanota_radio = znp")],
)
def test_one_emulated_dongle_is_chosen_by_option_or_ini(
    given: tuple[str, ...], ini: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_it(radio): assert radio.family == 'ezsp'")
    result = run(pytester, *given, ini=ini)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["hanota: radio ezsp; emulated, seed 0"])


def test_the_seed_makes_the_network(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        async def test_it(coordinator, request):
            wanted = int(request.config.rootpath.joinpath("wanted").read_text())
            assert (await coordinator.facts()).network.pan_id == wanted
    """)
    wanted = pytester.path / "wanted"
    wanted.write_text(str(_pan_id(7)), encoding="utf-8")
    run(pytester, "--radio", "znp", "--seed", "7").assert_outcomes(passed=1)
    wanted.write_text(str(_pan_id(8)), encoding="utf-8")
    run(pytester, "--radio", "znp", ini="hanota_seed = 8").assert_outcomes(passed=1)


def _pan_id(seed: int) -> int:
    from hanota.demo.composition import network_of

    pan_id = network_of(seed).pan_id
    assert pan_id is not None
    return pan_id


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--radio", "ftdi:///dev/ttyUSB0"), "not a radio URL: 'ftdi:///dev/ttyUSB0'"),
        (("--radio", "deconz+emulator://x"), "there is no emulated dongle 'deconz+emulator://x'"),
        ((*METAL, "--radio", "ezsp"), "an emulated dongle and a real one make no run together"),
        ((*METAL, "--radio", f"ezsp:///dev/{NOWHERE}"), "are the same port"),
        ((*METAL, *METAL), "are the same port"),
        (("--bench", "nowhere.toml"), "nowhere.toml: No such file"),
        (("--bench", "bench.toml"), "bench.toml has no ?radio? url"),
        (("--bench", "bench.toml", "--radio", "znp"), "not in reach of an emulated dongle"),
        (("--seed", "x"), "argument --seed: invalid int value"),
        ((*METAL, "-n2"), "a dongle has one user, and pytest-xdist has several"),
        (
            (*METAL, "--tx", "2*popen", "--dist", "load"),
            "a dongle has one user, and pytest-xdist has several",
        ),
    ],
    # The same in each worker of pytest-xdist.
    ids=lambda value: " ".join(value).replace(NOWHERE, "nowhere") if isinstance(value, tuple) else "",
)
def test_a_choice_that_cannot_be_is_a_usage_error_in_words(
    given: tuple[str, ...], words: str, pytester: pytest.Pytester
) -> None:
    written(pytester.path, BENCH)
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester, *given)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words}*"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("name", ["hanota_seed", "hanota_power_off"])
def test_a_number_in_the_ini_file_that_is_none_is_told_of(name: str, pytester: pytest.Pytester) -> None:
    result = run(pytester, ini=f"{name} = many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{name}: 'many' is no number*"])


def test_a_power_cut_lasts_as_long_as_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio
        async def test_it(ppmid, power):
            began = asyncio.get_running_loop().time()
            await power.cycle()
            assert 40 <= asyncio.get_running_loop().time() - began < 41
    """)
    run(pytester, "--radio", "znp", "--power-off", "40").assert_outcomes(passed=1)
    run(pytester, "--radio", "znp", ini="hanota_power_off = 40").assert_outcomes(passed=1)


def test_the_bench_is_taken_from_option_then_environment_then_ini(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        """
        def test_it(bench, request):
            assert bench.radio.url == "znp:///dev/hanota-" + request.config.getoption("keyword")
    """.replace('getoption("keyword")', 'rootpath.joinpath("wanted").read_text()')
    )
    for name in ("a", "b", "c"):
        written(pytester.path, f'[radio]\nurl = "znp:///dev/hanota-{name}"\n' + BENCH, f"{name}.toml")
    wanted = pytester.path / "wanted"
    wanted.write_text("c", encoding="utf-8")
    run(pytester, ini="hanota_bench = c.toml").assert_outcomes(passed=1)
    monkeypatch.setenv("HANOTA_BENCH", "b.toml")
    wanted.write_text("b", encoding="utf-8")
    run(pytester, ini="hanota_bench = c.toml").assert_outcomes(passed=1)
    wanted.write_text("a", encoding="utf-8")
    run(pytester, "--bench", "a.toml", ini="hanota_bench = c.toml").assert_outcomes(passed=1)


def test_an_ini_file_that_pytest_did_not_read_because_of_a_path_is_told_of(
    pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytester.makepyfile("def test_it(): pass")
    bench = written(tmp_path_factory.mktemp("elsewhere"), f'[radio]\nurl = "znp:///dev/{NOWHERE}"\n')
    words = f"hanota: pytest read no ini file: it took --bench {bench} for tests; write --bench={bench}"
    override = ("-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:labgrid")
    lost = run(pytester, "--bench", bench, *override)
    assert words in lost.stdout.str()
    for given in ((f"--bench={bench}",), ("--bench", bench, "-c", "tox.ini"), ()):
        assert "no ini file" not in run(pytester, *given).stdout.str()


def test_a_port_that_another_run_has_is_told_with_its_process(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    link = pytester.path / "ttyHAN"
    link.symlink_to(f"/dev/{NOWHERE}")
    lock = PortLock(f"/dev/{NOWHERE}").take()
    try:
        result = run(pytester, "--radio", f"znp://{link}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*/dev/{NOWHERE}: process {os.getpid()} (*) works with this port*"])
        run(pytester, "--radio", f"znp://{link}", "--collect-only").assert_outcomes()
    finally:
        lock.release()
    run(pytester, "--radio", f"znp://{link}").assert_outcomes(passed=1)


def test_a_port_is_let_go_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    for _ in range(2):
        run(pytester, *METAL).assert_outcomes(passed=1)


def test_the_plugin_loads_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest(f"""
        import sys
        def pytest_unconfigure():
            print("loaded:", sorted(set({HEAVY}) & set(sys.modules)), "hanota.testing.plugin" in sys.modules)
    """)
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*loaded: [[]] True"])


def test_without_pytest_asyncio_a_test_on_a_radio_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]")
    pytester.makepyfile("def test_plain(): pass\ndef test_it(hub): pass\ndef test_device(ppmid): pass")
    result = pytester.runpytest_inprocess(
        *("-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:labgrid", "--radio", "znp")
    )
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*tests on a radio need pytest-asyncio*"])


def test_a_loop_that_several_tests_share_is_refused_in_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.asyncio(loop_scope="module")
        async def test_shared(hub): pass
    """)
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_shared: a test on a radio has an event loop of its own*"])
    pytester.makepyfile("""
        import pytest
        @pytest.mark.asyncio(loop_scope="function")
        async def test_own(hub): pass
        async def test_other(): pass
    """)
    run(pytester, ini="asyncio_default_test_loop_scope = session").assert_outcomes(passed=3)


def test_an_emulated_dongle_without_virtual_time_is_refused_in_words(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import asyncio, pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_asyncio_loop_factories():
            yield
            return {"mine": asyncio.new_event_loop}
    """)
    pytester.makepyfile("async def test_it(hub): pass")
    result = run(pytester, "--radio", "znp")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*emulated dongles live in virtual time*pytest-asyncio 1.4*"])


def test_strict_mode_of_pytest_asyncio_does(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.asyncio
        async def test_it(ppmid, hub):
            assert hub.is_ready(ppmid.eui64)
    """)
    run(pytester, "--asyncio-mode=strict", "--radio", "ezsp").assert_outcomes(passed=1)


def test_radio_info_without_a_port_says_what_tests_would_run_on(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio_info, "serial_ports", lambda: ())
    pytester.makepyfile("def test_it(): assert False")
    for given in ((), ("--radio", "znp")):
        result = run(pytester, "--radio-info", *given)
        assert result.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines(
            ["no USB serial port is there*", "tests run on emulated dongles: znp, ezsp"]
        )
        result.stdout.no_fnmatch_line("*test session starts*")


def test_radio_info_says_what_is_wrong_with_a_dongle(pytester: pytest.Pytester) -> None:
    written(pytester.path, f'[radio]\nurl = "znp:///dev/{NOWHERE}"\n')
    for given in (METAL, ("--bench", "bench.toml")):
        result = run(pytester, "--radio-info", *given)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stderr.fnmatch_lines([f"znp:///dev/{NOWHERE}: cannot open /dev/{NOWHERE}: *"])


def test_help_lists_the_options_in_one_group(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--help")
    result.stdout.fnmatch_lines(["hanota:", "*--radio*", "*--bench*", "*--artifacts*", "*--radio-info*"])
    result.stdout.fnmatch_lines(["*hanota_radio*"])


def test_the_markers_are_listed(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--markers")
    for name in ("hardware", "emulated", "radio", "device", "destructive"):
        result.stdout.fnmatch_lines([f"@pytest.mark.{name}*"])
