"""labgrid's environment beside the bench file: its targets give devices what the file does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from hanota.errors import ConfigError
from hanota.testing.prompt import blocking_asker
from hanota.testing.selection import DRIVERS
from hanota.testing.session import SESSION, error_words
from hanota.timestamps import iso

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from hanota.bench.labgrid import LabgridTarget
    from hanota.conformance.rig import Rig, RigDevice
    from hanota.testing.session import Session

MAIN: Final = "main"
"""labgrid's own target: that of the first device which has none of its name."""
LACKING: Final = pytest.StashKey[dict[tuple[str, str], str]]()
"""Why a device has no power, or no console, by its name and that word."""


def labgrid_targets_of(request: pytest.FixtureRequest, session: Session) -> dict[str, Any]:
    """Return the targets of labgrid's environment by name, none where there is no environment.

    Before a rig is open: labgrid may wait for its own coordinator, and holds the event loop meanwhile.
    """
    if not (session.labgrid and session.metal):
        return {}
    environment = request.getfixturevalue("env")
    # labgrid asks by `input`, which pytest's capture refuses.
    environment.interact = blocking_asker(request.config) or environment.interact
    return {name: environment.get_target(name) for name in environment.config.get_targets()}


async def take_up_labgrid(
    request: pytest.FixtureRequest,
    rig: Rig,
    targets: dict[str, Any],
    kept: Path | None,
    stack: AsyncExitStack,
) -> None:
    """Give devices the drivers that their bench file does not name; raise BenchError."""
    if not targets:
        return
    from hanota.bench.labgrid import labgrid_targets  # noqa: PLC0415  # where it is there

    session = request.config.stash[SESSION]
    lacking = request.node.stash[LACKING] = {}
    attended = blocking_asker(request.config) is not None
    shared = _shared_out(rig, await stack.enter_async_context(labgrid_targets(targets)))
    for name, device in rig.devices.items():
        entry = session.device(name)
        for driver in DRIVERS:
            if entry is None or getattr(entry, driver) is not None:
                continue
            if name not in shared:
                lacking[name, driver] = f"labgrid's environment has no target {name}"
                continue
            try:
                await _take_up(rig, driver, device, shared[name], kept, attended=attended)
            except ConfigError as error:
                lacking[name, driver] = error_words(error)


async def _take_up(
    rig: Rig, driver: str, device: RigDevice, target: LabgridTarget, kept: Path | None, *, attended: bool
) -> None:
    if driver == "power":
        device.power = await target.power(attended=attended)
    else:
        log = None if kept is None else kept / f"{device.name}.console.log"
        device.console = await target.console(device.name, log=log, stamp=lambda: iso(rig.clock.now()))


def _shared_out(rig: Rig, targets: dict[str, LabgridTarget]) -> dict[str, LabgridTarget]:
    """Return whose target is which: by its name, else the main one is the first other device's."""
    shared = {name: targets[name] for name in rig.devices if name in targets}
    others = (name for name in rig.devices if name not in targets)
    if MAIN in targets and (first := next(others, None)) is not None:
        shared[first] = targets[MAIN]
    return shared
