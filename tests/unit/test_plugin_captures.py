"""What a failing test leaves, read by the programs that people read it with; and with pytest-xdist."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.plugin_support import METAL, run

pytest_plugins = ("pytester",)

COMMANDS = (
    "Image Notify",
    "Query Next Image Request",
    "Query Next Image Response",
    "Image Block Request",
    "Image Block Response",
    "Upgrade End Request",
    "Upgrade End Response",
)
UPDATED = """
    from hanota.hub.jobs import JobState
    async def test_update(rig, ppmid, images):
        rig.update(ppmid, (await images.newer(ppmid, size=500)).data)
        await rig.until(lambda: rig.job(ppmid).state is JobState.ACTIVATED, 600)
        assert False, "on purpose"
"""


@pytest.fixture(autouse=True)
def _no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANOTA_BENCH", raising=False)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark (apt install tshark)")
@pytest.mark.parametrize("family", ["znp", "ezsp"])
def test_wireshark_names_the_ota_commands_of_a_test_that_failed(
    family: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(UPDATED)
    run(pytester, "--radio", family, "--artifacts", "left").assert_outcomes(failed=1)
    (folder,) = (pytester.path / "left").iterdir()
    done = subprocess.run(
        ["tshark", "-r", str(folder / "han.pcapng"), "-Y", "zbee_aps.cluster == 0x0019", "-V"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for command in COMMANDS:
        assert command in done.stdout
    assert "Malformed" not in done.stdout


def test_with_xdist_a_dongle_stays_with_one_worker_and_each_test_has_its_folder(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile("""
        import os, pytest
        @pytest.mark.parametrize("number", range(3))
        def test_it(radio, artifacts, number):
            (artifacts / "mine").write_text(f"{radio.name} {os.environ['PYTEST_XDIST_WORKER']} {number}")
            assert False
    """)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:labgrid\n")
    dongles = (*METAL, "--radio", "ezsp:///dev/hanota-other")
    result = pytester.runpytest_subprocess(*dongles, "-n2", "--dist", "loadgroup", "--artifacts", "left")
    result.assert_outcomes(failed=6)
    left = [(folder / "mine").read_text().split(" ") for folder in (pytester.path / "left").iterdir()]
    assert len(left) == 6
    assert len({worker for _, worker, _ in left}) == 2
    assert len({(radio, worker) for radio, worker, _ in left}) == 2
