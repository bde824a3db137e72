"""Which test runs on what: its radios and event loops, and what is said where it cannot run."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from hanota.testing.options import EMULATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hanota.testing.radios import Radio
    from hanota.testing.session import Session

RADIO: Final = "_hanota_radio"
"""The fixture that is parametrised: `radio` itself may be another's word."""
DEVICES: Final = ("ppmid", "hcalcs")
"""Fixtures that are devices of the bench."""
DRIVERS: Final = ("power", "console")
"""Fixtures that are drivers of a device."""


@contextmanager
def parametrised(session: Session, metafunc: pytest.Metafunc) -> Iterator[None]:
    """Give a test that asks for a radio all that it may run on, and its event loops their clock."""
    if RADIO not in metafunc.fixturenames:
        yield
        return
    _expect_own_loop(metafunc)
    families = _families(metafunc.definition)
    fitting = [radio for radio in session.radios if radio.family in families]
    metafunc.parametrize(
        RADIO,
        [pytest.param(radio, id=radio.name) for radio in fitting or session.radios],
        indirect=True,
        scope="function",
    )
    loops = _LoopFactories({"real": _real_loop} if session.metal else {"virtual": _virtual_loop})
    plugins = metafunc.config.pluginmanager
    # For this test alone: a permanent hook would choose the loops of everybody else's tests too.
    plugins.register(loops)
    try:
        yield
    finally:
        plugins.unregister(loops)


def _expect_own_loop(metafunc: pytest.Metafunc) -> None:
    """Fail the collection of a test whose event loop is that of other tests too: a rig has one's own."""
    asyncio = metafunc.config.pluginmanager.hasplugin("asyncio")
    if not asyncio or not inspect.iscoroutinefunction(metafunc.function):
        return
    mark = metafunc.definition.get_closest_marker("asyncio")
    scope = None if mark is None else mark.kwargs.get("loop_scope")
    if (scope or metafunc.config.getini("asyncio_default_test_loop_scope")) != "function":
        pytest.fail(
            f"{metafunc.definition.nodeid}: a test on a radio has an event loop of its own: mark it "
            '@pytest.mark.asyncio(loop_scope="function")',
            pytrace=False,
        )


def reason_to_skip(session: Session, item: pytest.Item) -> str | None:
    """Return why a test cannot run here and which option would run it; None where it can."""
    if session.metal and item.get_closest_marker("emulated"):
        return "looks into an emulated dongle: run it without --radio and --bench"
    if not session.metal and item.get_closest_marker("hardware"):
        return "needs metal: --radio URL, and --bench FILE for its devices"
    radio = radio_of(item)
    if radio is None:
        return None
    families = _families(item)
    if not families:
        return f"its markers name no family there is: {', '.join(EMULATED)}"
    if radio.family not in families:
        return f"is for {' and '.join(families)} dongles: --radio {families[0]}:///dev/..."
    if session.metal and item.get_closest_marker("destructive") and not session.options.allow_destructive:
        return "leaves dongle or device other than it was: --allow-destructive"
    return _lacks(session, item)


def _lacks(session: Session, item: pytest.Item) -> str | None:
    """Return what the bench has not that a test needs."""
    wanted = {feature for mark in item.iter_markers("radio") for feature in mark.kwargs.get("features", ())}
    missing = sorted(wanted - session.features)
    if missing:
        return f"needs {', '.join(missing)}: a bench file with features = {missing} by --bench FILE"
    if "images" in _fixtures(item) and not (session.options.images or session.takes_made_images):
        return "needs an image: --image FILE"
    for name in devices_of(item):
        if session.metal and session.device(name) is None:
            return f"needs the device {name}: --bench FILE with a table [device.{name}]"
        for driver in DRIVERS:
            if driver in _fixtures(item) and not _has(session, name, driver):
                return f"needs the {driver} of {name}: --bench FILE with {driver} in [device.{name}]"
    return None


def _has(session: Session, name: str, driver: str) -> bool:
    entry = session.device(name)
    return entry is None or getattr(entry, driver) is not None or session.labgrid


def radio_of(item: pytest.Item) -> Radio | None:
    """Return the radio that a test runs on, None for one that asks for none."""
    callspec = getattr(item, "callspec", None)
    radio: Radio | None = None if callspec is None else callspec.params.get(RADIO)
    return radio


def devices_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the devices that a test is about, by fixture or marker."""
    marked = [name for mark in item.iter_markers("device") for name in mark.args]
    asked = [name for name in DEVICES if name in _fixtures(item)]
    return tuple(dict.fromkeys((*marked, *asked)))


def _fixtures(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


def _families(item: pytest.Item) -> tuple[str, ...]:
    """Return the families a test is for, by its markers."""
    wanted = [mark.args for mark in item.iter_markers("radio") if mark.args]
    return tuple(family for family in EMULATED if all(family in each for each in wanted))


class _LoopFactories:
    """The event loops of one test (pytest-asyncio)."""

    def __init__(self, factories: Mapping[str, Callable[[], object]]) -> None:
        self._factories = factories

    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], object]]:
        """Name them."""
        return self._factories


def _virtual_loop() -> object:
    from hanota.emulator.loop import VirtualTimeLoop  # noqa: PLC0415  # when a test runs

    return VirtualTimeLoop()


def _real_loop() -> object:
    import asyncio  # noqa: PLC0415  # when a test runs

    return asyncio.new_event_loop()
