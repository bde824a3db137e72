"""What can go wrong on a bench, by name: impairments of line and air; blows to dongle, devices, clock, disk.

`await apply(name, targets, rng)` strikes with one fault for a while and then takes it back; every choice
comes from `rng`, so that a seed replays it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from hanota.emulator.air import Air
    from hanota.emulator.devices import FirmwareDevice
    from hanota.emulator.dongles import Dongle
    from hanota.eui64 import Eui64


class FaultTarget(StrEnum):
    """What a fault is done to."""

    LINE = "line"
    NCP = "ncp"
    AIR = "air"
    DEVICE = "device"
    CLOCK = "clock"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class FaultTargets:
    """A bench as the faults see it; clock and disk belong to the caller, None where he gives none."""

    air: Air
    dongle: Dongle
    devices: Mapping[Eui64, FirmwareDevice]
    step_clock: Callable[[float], None] | None = None
    """Called with the seconds that the clock jumps."""
    fill_disk: Callable[[bool], None] | None = None
    """Called with True when the disk becomes full and with False when there is room again."""


Strike: TypeAlias = Callable[[FaultTargets, "Random"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the table."""

    target: FaultTarget
    description: str
    strike: Strike


SHORTEST, LONGEST = 1.0, 60.0
"""Seconds that a fault lasts."""
CUT_PATIENCE: Final = 300.0
"""Seconds to wait for a device to have the octets at which its power is cut."""
CLOCK_STEP: Final = 3600.0
"""The longest jump of the clock, forward or back, seconds: a change to summer time."""


async def apply(name: str, targets: FaultTargets, rng: Random) -> None:
    """Strike with the fault called `name`, return when it is over; raise ConfigError for an unknown one.

    Cancelled, it takes the fault back at once. One fault of a name at a time.
    """
    fault = FAULTS.get(name)
    if fault is None:
        raise ConfigError(f"unknown fault {name!r}", hint=f"one of {', '.join(FAULTS)}")
    await fault.strike(targets, rng)


def possible(targets: FaultTargets) -> list[str]:
    """Return the names of the faults that `targets` can be struck with."""
    missing = set()
    if targets.step_clock is None:
        missing.add(FaultTarget.CLOCK)
    if targets.fill_disk is None:
        missing.add(FaultTarget.DISK)
    if not targets.devices:
        missing |= {FaultTarget.AIR, FaultTarget.DEVICE}
    return [name for name, fault in FAULTS.items() if fault.target not in missing]


@contextmanager
def _assigned(target: object, **values: object) -> Iterator[None]:
    before = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        setattr(target, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(target, name, value)


async def _a_while(rng: Random, longest: float = LONGEST) -> None:
    await asyncio.sleep(rng.uniform(SHORTEST, longest))


def _device(targets: FaultTargets, rng: Random) -> FirmwareDevice:
    return targets.devices[rng.choice(sorted(targets.devices))]


# -- line ----------------------------------------------------------------------------------------------------


async def _one_octet_reads(targets: FaultTargets, rng: Random) -> None:
    line = targets.dongle.line
    with _assigned(line.to_host, one_octet_reads=True), _assigned(line.to_ncp, one_octet_reads=True):
        await _a_while(rng)


async def _corrupted_octets(targets: FaultTargets, rng: Random) -> None:
    line = targets.dongle.line
    chance = rng.uniform(0.005, 0.05)
    with _assigned(line.to_host, corrupt=chance), _assigned(line.to_ncp, corrupt=chance):
        await _a_while(rng)


async def _lost_octets(targets: FaultTargets, rng: Random) -> None:
    line = targets.dongle.line
    chance = rng.uniform(0.005, 0.05)
    with _assigned(line.to_host, lose=chance), _assigned(line.to_ncp, lose=chance):
        await _a_while(rng)


async def _lost_acknowledgements(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.dongle.line.to_host, lose_short=rng.uniform(0.05, 0.5)):
        await _a_while(rng)


async def _duplicated_acknowledgements(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.dongle.line.to_host, double_short=rng.uniform(0.05, 0.5)):
        await _a_while(rng)


async def _silence(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.dongle.line.to_host, muted=True):
        await _a_while(rng)


async def _deafness(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.dongle.line.to_ncp, muted=True):
        await _a_while(rng)


async def _unplug(targets: FaultTargets, rng: Random) -> None:
    targets.dongle.line.unplug()
    try:
        await _a_while(rng)
    finally:
        targets.dongle.line.plug()


# -- co-processor --------------------------------------------------------------------------------------------


async def _ncp_reset(targets: FaultTargets, _: Random) -> None:
    targets.dongle.reset()


async def _buffers_full(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.dongle, buffers_full=True):
        await _a_while(rng)


# -- air -----------------------------------------------------------------------------------------------------


async def _loss(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.air.faults[_device(targets, rng).eui64], loss=rng.uniform(0.05, 0.5)):
        await _a_while(rng)


async def _duplicates(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.air.faults[_device(targets, rng).eui64], duplicate=rng.uniform(0.05, 0.5)):
        await _a_while(rng)


async def _latency(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.air.faults[_device(targets, rng).eui64], latency=rng.uniform(0.05, 2.0)):
        await _a_while(rng)


async def _reordering(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.air.faults[_device(targets, rng).eui64], jitter=rng.uniform(0.05, 2.0)):
        await _a_while(rng)


async def _bad_link(targets: FaultTargets, rng: Random) -> None:
    link = targets.air.link(targets.dongle.eui64, _device(targets, rng).eui64)
    with _assigned(link, loss=rng.uniform(0.3, 1.0)):
        await _a_while(rng)


async def _out_of_range(targets: FaultTargets, rng: Random) -> None:
    with _assigned(targets.air.link(targets.dongle.eui64, _device(targets, rng).eui64), in_range=False):
        await _a_while(rng)


async def _partition(targets: FaultTargets, rng: Random) -> None:
    cut_off = rng.sample(sorted(targets.devices), rng.randint(1, len(targets.devices)))
    targets.air.partition(cut_off)
    try:
        await _a_while(rng)
    finally:
        targets.air.heal()


# -- devices -------------------------------------------------------------------------------------------------


async def _power_cut(targets: FaultTargets, rng: Random) -> None:
    """Cut the power when the device has a part of its image, or at the latest after CUT_PATIENCE."""
    device, share = _device(targets, rng), rng.random()
    with suppress(TimeoutError):
        async with asyncio.timeout(CUT_PATIENCE):
            while not _has(device, share):  # noqa: ASYNC110  # a client tells of no octet
                await asyncio.sleep(0.05)
    if not device.joined:
        return  # it is off already, and whoever switched it off gives it power again
    device.power_off()
    try:
        await _a_while(rng)
    finally:
        if not device.joined:
            await device.power_on()


def _has(device: FirmwareDevice, share: float) -> bool:
    size = device.client.image_size
    return size > 0 and device.client.file_offset >= share * size


async def _flicker(targets: FaultTargets, rng: Random) -> None:
    device = _device(targets, rng)
    for _ in range(rng.randint(2, 6)):
        if device.joined:
            device.power_off()
            await asyncio.sleep(rng.uniform(0, 1))
            if not device.joined:
                await device.power_on()
        await asyncio.sleep(rng.uniform(0, 3))


async def _frames_lost_behind_acknowledgements(targets: FaultTargets, rng: Random) -> None:
    """Lose whole frames in the receiver, where no stack repeats them any more."""
    chance = rng.uniform(0.01, 0.2)
    with _assigned(targets.air, intercept=lambda frame: [] if rng.random() < chance else [frame]):
        await _a_while(rng)


# -- clock and disk ------------------------------------------------------------------------------------------


async def _clock_step(targets: FaultTargets, rng: Random) -> None:
    if targets.step_clock is not None:
        targets.step_clock(rng.uniform(-CLOCK_STEP, CLOCK_STEP))


async def _disk_full(targets: FaultTargets, rng: Random) -> None:
    if targets.fill_disk is None:
        return
    targets.fill_disk(True)  # noqa: FBT003  # full, or not
    try:
        await _a_while(rng)
    finally:
        targets.fill_disk(False)  # noqa: FBT003


FAULTS: Final[dict[str, Fault]] = {
    "one_octet_reads": Fault(FaultTarget.LINE, "every octet is a read of its own", _one_octet_reads),
    "corrupted_octets": Fault(FaultTarget.LINE, "octets are altered, both ways", _corrupted_octets),
    "lost_octets": Fault(FaultTarget.LINE, "octets are missing, both ways", _lost_octets),
    "lost_acknowledgements": Fault(
        FaultTarget.LINE, "the dongle's shortest frames vanish", _lost_acknowledgements
    ),
    "duplicated_acknowledgements": Fault(
        FaultTarget.LINE, "the dongle's shortest frames come twice", _duplicated_acknowledgements
    ),
    "silence": Fault(FaultTarget.LINE, "the dongle says nothing, its port stays open", _silence),
    "deafness": Fault(FaultTarget.LINE, "the dongle hears nothing, its port stays open", _deafness),
    "unplug": Fault(FaultTarget.LINE, "the dongle is pulled out and put back", _unplug),
    "ncp_reset": Fault(FaultTarget.NCP, "the dongle restarts by itself", _ncp_reset),
    "buffers_full": Fault(FaultTarget.NCP, "the dongle has no buffer for a message", _buffers_full),
    "loss": Fault(FaultTarget.AIR, "a device's transmissions are lost, both ways", _loss),
    "duplicates": Fault(FaultTarget.AIR, "frames arrive twice", _duplicates),
    "latency": Fault(FaultTarget.AIR, "frames arrive late", _latency),
    "reordering": Fault(FaultTarget.AIR, "frames overtake each other", _reordering),
    "bad_link": Fault(FaultTarget.AIR, "one link is bad, routers help where there are some", _bad_link),
    "out_of_range": Fault(FaultTarget.AIR, "a device and the dongle do not hear each other", _out_of_range),
    "partition": Fault(FaultTarget.AIR, "some devices are cut off from the rest", _partition),
    "dropped_frames": Fault(
        FaultTarget.AIR, "acknowledged frames never arrive", _frames_lost_behind_acknowledgements
    ),
    "power_cut": Fault(FaultTarget.DEVICE, "a device loses power at some share of its image", _power_cut),
    "flicker": Fault(FaultTarget.DEVICE, "a device's power goes and comes, again and again", _flicker),
    "clock_step": Fault(FaultTarget.CLOCK, "the clock jumps, forward or back", _clock_step),
    "disk_full": Fault(FaultTarget.DISK, "nothing can be stored", _disk_full),
}
"""Every fault by name."""
