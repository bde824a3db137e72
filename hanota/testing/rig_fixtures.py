"""The rig of a test and its devices: fixtures of pytest-asyncio, on the loop of the one test."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from hanota.errors import ConfigError, HanotaError, RadioError
from hanota.testing.labgrid_targets import labgrid_targets_of, take_up_labgrid
from hanota.testing.selection import RADIO
from hanota.testing.session import SESSION, error_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from hanota.conformance.rig import Rig, RigDevice, RigOptions
    from hanota.testing.radios import Radio
    from hanota.testing.session import Session


@pytest_asyncio.fixture(loop_scope="function")
async def rig(
    request: pytest.FixtureRequest,
    _hanota_radio: Radio,
    artifacts: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Rig]:
    """Give a started hub with its DCC, and the devices of the bench, none of which needs to have joined."""
    session = request.config.stash[SESSION]
    reason = session.broken(_hanota_radio)
    if reason is not None:
        pytest.skip(f"the bench is broken since an earlier test: {reason}")
    if _hanota_radio.emulated:
        _expect_virtual_time()
    # Only a folder that is kept is worth the DEBUG log of the radio libraries.
    kept = artifacts if session.options.artifacts is not None else None
    async with AsyncExitStack() as stack:
        try:
            from hanota.conformance.rig import open_rig  # noqa: PLC0415  # loads the radio libraries

            options = _rig_options(request, session, _hanota_radio, kept, tmp_path_factory)
            targets = labgrid_targets_of(request, session)
            opened = await stack.enter_async_context(_held(open_rig(options)))
            await take_up_labgrid(request, opened, targets, kept, stack)
        except HanotaError as error:
            if _is_bench_fault(error):
                session.found_broken(_hanota_radio, error_words(error))
            pytest.fail(f"no bench: {error_words(error)}", pytrace=_hanota_radio.emulated)
        await _note(request.node, opened, _hanota_radio, session)
        first = _first_job_to_come(opened)
        yield opened
        _conclude(request.node, opened, first)
    if kept is not None:
        _keep(opened, kept)


@pytest_asyncio.fixture(loop_scope="function")
async def ppmid(request: pytest.FixtureRequest, rig: Rig) -> RigDevice:
    """Return the PPMID of the bench, on the HAN and with its link key."""
    return await _joined(request, rig, "ppmid")


@pytest_asyncio.fixture(loop_scope="function")
async def hcalcs(request: pytest.FixtureRequest, rig: Rig) -> RigDevice:
    """Return the HCALCS of the bench, on the HAN and with its link key."""
    return await _joined(request, rig, "hcalcs")


# -- how a rig is opened, and what it leaves ---------------------------------------------------------------


async def _joined(request: pytest.FixtureRequest, rig: Rig, name: str) -> RigDevice:
    session = request.config.stash[SESSION]
    device = rig.devices[session.device_name(name)]
    try:
        await rig.join(device)
    except HanotaError as error:
        if _is_bench_fault(error):
            session.found_broken(request.getfixturevalue(RADIO), error_words(error))
        raise
    return device


def _expect_virtual_time() -> None:
    """Fail where another has chosen the event loop: an emulated device would take as long as a real one."""
    from hanota.emulator.loop import VirtualTimeLoop  # noqa: PLC0415  # with an emulated rig

    if not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        pytest.fail("emulated dongles live in virtual time: this needs pytest-asyncio 1.4", pytrace=False)


def _is_bench_fault(error: HanotaError) -> bool:
    from hanota.bench.errors import BenchError  # noqa: PLC0415  # with a rig

    return isinstance(error, BenchError | RadioError | ConfigError)


def _rig_options(
    request: pytest.FixtureRequest,
    session: Session,
    radio: Radio,
    kept: Path | None,
    folders: pytest.TempPathFactory,
) -> RigOptions:
    from hanota.bench.bench_file import Bench  # noqa: PLC0415  # with a rig
    from hanota.conformance.rig import RigOptions, RigSettings  # noqa: PLC0415  # loads the radio libraries
    from hanota.testing.prompt import asker  # noqa: PLC0415  # with a rig

    settings = RigSettings()
    if session.options.power_off is not None:
        settings = replace(settings, power_off=session.options.power_off)
    options = RigOptions(radio=radio.url, seed=session.options.seed, artifacts=kept, settings=settings)
    if radio.emulated:
        return options
    # Devices stay on the HAN from test to test, so the hub has to remember them.
    memory = session.memory(radio, folders)
    return replace(
        options,
        bench=session.bench or Bench(),
        dongle=session.dongles.get(radio.name),
        lab=None if session.bench is not None and session.bench.device else memory / "lab",
        database=memory / "hub.sqlite",
        prompt=asker(request.config),
    )


@asynccontextmanager
async def _held(context: AbstractAsyncContextManager[Rig]) -> AsyncIterator[Rig]:
    """Open a rig and close it in one task: a fixture is set up in one, and torn down in another."""
    opened: asyncio.Future[Rig] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with context as rig:
            opened.set_result(rig)
            await done.wait()

    task = asyncio.create_task(hold(), name="rig")
    waited: set[asyncio.Future[Any]] = {task, opened}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield opened.result()
    finally:
        done.set()
        await task


async def _note(item: pytest.Item, rig: Rig, radio: Radio, session: Session) -> None:
    """Write into the test's report what it ran on, and remember the dongle for the next."""
    facts = await rig.coordinator.facts()
    session.dongles[radio.name] = facts.eui64
    item.user_properties += [("radio", radio.url), ("firmware", facts.firmware)]
    if facts.network is not None:
        item.user_properties.append(("channel", facts.network.channel))
    if radio.emulated:
        item.user_properties.append(("seed", session.options.seed))


def _first_job_to_come(rig: Rig) -> int:
    return max((job.id for job in rig.store.jobs()), default=0) + 1


def _conclude(item: pytest.Item, rig: Rig, first_job: int) -> None:
    """Note the images of a test's jobs, and end those under way: the next test is not to come upon them."""
    jobs = [job for job in rig.store.jobs() if job.id >= first_job]
    digests = {job.manufacturer_image_hash.hex() for job in jobs}
    item.user_properties += [("image", digest) for digest in sorted(digests)]
    for job in jobs:
        if not job.state.is_end:
            rig.hub.cancel(job.device, "the test that began it has ended")


def _keep(rig: Rig, kept: Path) -> None:
    """Write what is whole only when the rig is closed."""
    from hanota.conformance.artifacts import EVENTS  # noqa: PLC0415  # with its rig
    from hanota.conformance.places import DATABASE  # noqa: PLC0415  # beside it
    from hanota.files import write_file  # noqa: PLC0415  # beside it
    from hanota.store.backup import backup  # noqa: PLC0415  # beside it

    lines = "".join(json.dumps(event.to_json()) + "\n" for event in rig.events)
    write_file(kept / EVENTS, lines.encode(), private=True)
    database = rig.options.database
    if database is not None:
        backup(database, kept / DATABASE)
