"""What a failing test leaves, what a passing one does not, and that no key is in it."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from hanota.store.backup import check
from tests.plugin_support import BENCH, METAL, run, written
from tests.simulation.secrets_support import written_in

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ("pytester",)

FILES = {
    "events.jsonl",
    "han.pcapng",
    "hcalcs.console.log",
    "hub.sqlite",
    "ppmid.console.log",
    "radio.log",
}


@pytest.fixture(autouse=True)
def _no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANOTA_BENCH", raising=False)


def left(folder: Path) -> dict[str, set[str]]:
    """The files of each test's folder, by the test's name."""
    return {each.name.rsplit("-", 1)[-1]: {path.name for path in each.iterdir()} for each in folder.iterdir()}


def test_a_failing_test_leaves_its_folder_and_a_passing_one_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        async def test_good(rig): pass
        async def test_bad(rig): assert not rig
    """)
    result = run(pytester, "--radio", "znp", "--artifacts", "left")
    result.assert_outcomes(passed=1, failed=1)
    assert left(pytester.path / "left") == {"test_bad[znp]": FILES}
    result.stdout.fnmatch_lines(["radio znp; seed 0*--seed 0; artifacts in *left/*test_bad[[]znp]"])


def test_all_folders_are_kept_when_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_good(rig): pass")
    ini = "hanota_artifacts = left\nhanota_artifacts_all = true"
    run(pytester, "--radio", "znp", ini=ini).assert_outcomes(passed=1)
    assert left(pytester.path / "left") == {"test_good[znp]": FILES}


def test_a_fault_in_set_up_or_tear_down_leaves_the_folder_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def breaks():
            yield
            raise RuntimeError
        def test_set_up(artifacts, nothing): pass
        def test_tear_down(artifacts, breaks): pass
        def test_good(artifacts): pass
    """)
    run(pytester, "--artifacts", "left").assert_outcomes(passed=2, errors=2)
    assert set(left(pytester.path / "left")) == {"test_set_up", "test_tear_down"}


def test_without_the_option_a_test_has_a_folder_of_its_own_and_nothing_is_logged(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile("""
        import logging
        async def test_it(ppmid, artifacts):
            assert list(artifacts.iterdir()) == []
            assert not logging.getLogger("zigpy").isEnabledFor(logging.DEBUG)
    """)
    result = run(pytester, "--radio", "znp")
    result.assert_outcomes(passed=1)


def test_a_second_run_begins_its_folder_anew(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(artifacts):
            assert list(artifacts.iterdir()) == []
            (artifacts / "mine.txt").touch()
            raise RuntimeError("on purpose")
    """)
    for _ in range(2):
        result = run(pytester, "--artifacts", "left")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*RuntimeError: on purpose*"])
    assert left(pytester.path / "left") == {"test_it": {"mine.txt"}}


def test_parameters_that_differ_in_odd_characters_alone_have_folders_each(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        @pytest.mark.parametrize("text", ["a/b", "a b", "a-b", "x::a[b", "x::a-b"])
        def test_it(artifacts, text):
            (artifacts / "mine").write_text(text)
            assert False
    """)
    run(pytester, "--artifacts", "left").assert_outcomes(failed=5)
    assert {(each / "mine").read_text() for each in (pytester.path / "left").iterdir()} == {
        *("a/b", "a b", "a-b", "x::a[b", "x::a-b")
    }


def test_a_folder_that_cannot_be_is_told_in_words(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_it(rig): pass")
    (pytester.path / "left").write_text("a file", encoding="utf-8")
    result = run(pytester, "--radio", "znp", "--artifacts", "left")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*cannot write to *left*"])


def test_the_report_says_what_the_test_ran_on(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        async def test_it(rig, ppmid, images):
            rig.update(ppmid, (await images.newer(ppmid)).data)
    """)
    run(pytester, "--radio", "ezsp", "--seed", "5", "--junit-xml", "junit.xml").assert_outcomes(passed=1)
    properties = {
        each.get("name"): each.get("value")
        for each in etree.parse(pytester.path / "junit.xml").iterfind(".//property")
    }
    image = properties.pop("image")
    assert image is not None
    assert len(bytes.fromhex(image)) == 32
    assert properties == {
        "radio": "ezsp",
        "firmware": "EmberZNet 7.4.4.0 build 10",
        "channel": "15",
        "seed": "5",
    }


def test_an_update_under_way_ends_with_the_test_that_began_it(pytester: pytest.Pytester) -> None:
    """On metal the hub's database and the devices are those of the next test too."""
    pytester.makepyfile("""
        async def test_bad(rig, ppmid, power, images):
            rig.update(ppmid, (await images.newer(ppmid)).data)
            await power.reached(10)
            assert False
    """)
    run(pytester, "--radio", "znp", "--artifacts", "left").assert_outcomes(failed=1)
    (folder,) = (pytester.path / "left").iterdir()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    last = [event for event in events if event["kind"] == "job.state"][-1]
    assert last["state"] == "cancelled"
    assert "the test that began it has ended" in last.values()


UPDATES = """
    import json
    from hanota.hub.jobs import JobState
    from hanota.radio.redaction import known_keys
    from hanota.zse.install_code import install_code_key

    def scalar(key):
        return key.private_numbers().private_value.to_bytes(32, "big")

    async def test_it(rig, ppmid, hcalcs, images, request):
        rig.update(ppmid, (await images.newer(ppmid)).data)
        await rig.until(lambda: rig.job(ppmid).state is JobState.ACTIVATED, 600)
        secrets = {f"key {n}": key for n, key in enumerate(
            known_keys(rig.coordinator._online_session().app.state.network_info)
        )}
        for device in (ppmid, hcalcs):
            node = device.emulated
            secrets[f"link key of {device.name}"] = node.link_key
            secrets[f"install code of {device.name}"] = device.install_code
            secrets[f"joining key of {device.name}"] = install_code_key(device.install_code)
            secrets[f"CBKE key of {device.name}"] = node.identity.cbke.private_key
            secrets[f"signing key of {device.name}"] = scalar(node.identity.credentials.signing_key)
        secrets["supplier's signing key"] = scalar(rig.supplier_key)
        secrets["hub's signing key"] = scalar(rig.keys.hub.signing_key)
        path = request.config.rootpath / "secrets.json"
        path.write_text(json.dumps({name: bytes(key).hex() for name, key in secrets.items()}))
        assert False
"""


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
def test_no_key_is_in_what_is_left_but_install_codes_in_the_database(
    radio: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(UPDATES)
    run(pytester, "--radio", radio, "--artifacts", "left").assert_outcomes(failed=1)
    secrets = {
        name: bytes.fromhex(key)
        for name, key in json.loads((pytester.path / "secrets.json").read_text()).items()
    }
    assert len(secrets) > 12
    (folder,) = (pytester.path / "left").iterdir()
    assert {path.name for path in folder.iterdir()} == FILES
    for path in folder.iterdir():
        octets = path.read_bytes()
        assert octets or path.name == "hcalcs.console.log"
        found = written_in(octets.decode("latin-1"), secrets) | {
            name for name, key in secrets.items() if key in octets or key[::-1] in octets
        }
        codes = {"install code of ppmid", "install code of hcalcs"} if path.name == "hub.sqlite" else set()
        assert found == codes, path.name
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or "console" in path.name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_left_can_be_read(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_bad(ppmid): assert not ppmid")
    result = run(pytester, "--radio", "ezsp", "--artifacts", "left")
    result.assert_outcomes(failed=1)
    (folder,) = (pytester.path / "left").iterdir()
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    state = check(folder / "hub.sqlite")
    assert state.faults == []
    assert state.events == len(events)
    log = (folder / "radio.log").read_text()
    assert "DEBUG bellows" in log
    assert "2027-01-15T08:00:0" in log  # the rig's time, not the machine's
    assert "DEBUG" not in result.stdout.str()  # but in the file alone
    assert (folder / "han.pcapng").read_bytes()[:4] == bytes.fromhex("0A0D0D0A")
    assert "link key established" in (folder / "ppmid.console.log").read_text()


def test_a_test_that_needs_no_hub_has_a_folder_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(artifacts):\n    (artifacts / 'mine').touch()\n    assert False")
    bench = written(pytester.path, BENCH)
    run(pytester, *METAL, "--bench", bench, "--artifacts", "left").assert_outcomes(failed=1)
    (folder,) = (pytester.path / "left").iterdir()
    assert [path.name for path in folder.iterdir()] == ["mine"]
