"""The entry point: options, markers and hooks; what is heavy is loaded by the tests that ask for a radio.

Fixtures: radio, rig, coordinator, hub, dcc, ppmid, hcalcs, power, console, images, bench,
artifacts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.testing import fixtures
from hanota.testing.keeping import reported
from hanota.testing.options import add_options, lost_ini, read_options
from hanota.testing.selection import parametrised, reason_to_skip
from hanota.testing.session import SESSION, Session

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

    from hanota.testing.scheduling import DongleScheduling

MARKERS = (
    "hardware: runs on metal only; it is skipped without --radio URL",
    "emulated: looks into an emulated dongle or device; it is skipped on metal",
    "radio(family, features=()): runs on this family of dongles only, and on a bench with these features",
    "device(name): needs this device of the bench: ppmid, hcalcs, or the name of its table",
    "destructive: leaves a dongle or a device other than it was; on metal with --allow-destructive only",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register markers and fixtures, and read the options."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    try:
        config.stash[SESSION] = Session(config, read_options(config))
    except ConfigError as error:
        raise _usage(error) from None
    config.pluginmanager.register(fixtures, "hanota.fixtures")
    if config.pluginmanager.hasplugin("asyncio"):
        from hanota.testing import rig_fixtures as rigs  # noqa: PLC0415  # imports pytest-asyncio
    else:
        from hanota.testing import without_asyncio as rigs  # type: ignore[no-redef]  # noqa: PLC0415
    config.pluginmanager.register(rigs, "hanota.rigs")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Carry out --radio-info."""
    if not config.getoption("--radio-info"):
        return None
    from hanota.testing.radio_info import tell  # noqa: PLC0415  # loads the radio libraries

    try:
        return tell(read_options(config))
    except ConfigError as error:
        raise _usage(error) from None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Lock the ports."""
    try:
        session.config.stash[SESSION].lock()
    except (ConfigError, RadioError) as error:
        raise _usage(error) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Unlock the ports."""
    if SESSION in config.stash:
        config.stash[SESSION].close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Tell what tests run on, where the user has chosen, and what went wrong in the choosing."""
    lost = lost_ini(config)
    told = (config.stash[SESSION].header(), None if lost is None else f"hanota: {lost}")
    return [line for line in told if line is not None]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> DongleScheduling | None:
    """Keep the tests of a dongle in one worker of pytest-xdist."""
    session = config.stash[SESSION]
    if not session.metal:
        return None
    from hanota.testing.scheduling import DongleScheduling  # noqa: PLC0415  # imports pytest-xdist

    return DongleScheduling(config, log, session.radios)


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Have a test that asks for a radio run on each, in virtual time on the emulated ones."""
    with parametrised(metafunc.config.stash[SESSION], metafunc):
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and say which option would run it."""
    session = config.stash[SESSION]
    for item in items:
        reason = reason_to_skip(session, item)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell in a failure how to repeat it, and keep or remove what the test left."""
    report = yield
    reported(item.config.stash[SESSION], item, call, report)
    return report


def _usage(error: HanotaError) -> pytest.UsageError:
    return pytest.UsageError(str(error) if error.hint is None else f"{error}\n  {error.hint}")
