"""The fixtures that are there in every run; each loads what it needs when a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.testing.keeping import make_folder
from hanota.testing.selection import DEVICES, RADIO, devices_of
from hanota.testing.session import SESSION

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.bench.bench_file import Bench
    from hanota.bench.console import Console
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.dcc.dcc import Dcc
    from hanota.hub.hub import Hub
    from hanota.radio.coordinator import Coordinator
    from hanota.testing.device_power import DevicePower
    from hanota.testing.images import DeviceImages
    from hanota.testing.radios import Radio


@pytest.fixture(name=RADIO)
def _hanota_radio(request: pytest.FixtureRequest) -> Radio:
    radio: Radio = request.param
    return radio


@pytest.fixture
def radio(_hanota_radio: Radio) -> Radio:
    """Return the dongle the test runs on: `name`, `family`, `url`, `emulated`."""
    return _hanota_radio


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return the bench as its file lists it; without a file the emulated one, which lists no device."""
    from hanota.bench.bench_file import Bench  # noqa: PLC0415  # loads pydantic
    from hanota.testing.session import EMULATED_FEATURES  # noqa: PLC0415  # beside it

    session = request.config.stash[SESSION]
    if session.bench is not None:
        return session.bench
    return Bench() if session.metal else Bench(features=EMULATED_FEATURES)


@pytest.fixture
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the folder of the test's artefacts, kept if it fails and --artifacts names a place for it."""
    return make_folder(request.config.stash[SESSION], request.node) or tmp_path


@pytest.fixture
def coordinator(rig: Rig) -> Coordinator:
    """Return the hub's radio, started."""
    return rig.coordinator


@pytest.fixture
def hub(rig: Rig) -> Hub:
    """Return the Communications Hub, started."""
    return rig.hub


@pytest.fixture
def dcc(rig: Rig) -> Dcc:
    """Return the hub's DCC, started."""
    return rig.dcc


@pytest.fixture
def images(request: pytest.FixtureRequest, rig: Rig) -> DeviceImages:
    """Return where a test gets an image from that is newer than what a device runs."""
    from hanota.testing.images import DeviceImages  # noqa: PLC0415  # with its rig

    session = request.config.stash[SESSION]
    return DeviceImages(rig, session.options.images, made=session.takes_made_images)


@pytest.fixture
def power(request: pytest.FixtureRequest, rig: Rig) -> DevicePower:
    """Return the power of the device the test is about: on, off, cycle, cut_at."""
    from hanota.testing.device_power import DevicePower  # noqa: PLC0415  # with its rig

    device = _the_device(request, rig, "power")
    if device.power is None:
        by_hand = "it is switched by hand: run it where somebody is at the terminal"
        pytest.skip(f"needs the power of {device.name}: {_why(request, device, 'power', by_hand)}")
    return DevicePower(rig, device)


@pytest.fixture
def console(request: pytest.FixtureRequest, rig: Rig) -> Console:
    """Return the debug console of the device the test is about: expect, send_line."""
    device = _the_device(request, rig, "console")
    if device.console is None:
        missing = "name `console` in its table of the bench file"
        pytest.skip(f"needs the console of {device.name}: {_why(request, device, 'console', missing)}")
    return device.console


def _why(request: pytest.FixtureRequest, device: RigDevice, driver: str, words: str) -> str:
    """Return why the device has no such driver: `words`, unless labgrid was asked for one."""
    from hanota.testing.labgrid_targets import LACKING  # noqa: PLC0415  # with its rig

    lacking: str = request.node.stash.get(LACKING, {}).get((device.name, driver), words)
    return lacking


def _the_device(request: pytest.FixtureRequest, rig: Rig, driver: str) -> RigDevice:
    names = devices_of(request.node)
    if len(names) != 1:
        pytest.fail(
            f"{driver} of which device? Ask for one of {', '.join(DEVICES)}, mark the test "
            f'@pytest.mark.device("ppmid"), or use ppmid.{driver}',
            pytrace=False,
        )
    return rig.devices[request.config.stash[SESSION].device_name(names[0])]
