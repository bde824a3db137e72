"""An emulated rig: dongle and devices of the demonstration, in this process."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import ExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hanota.bench.console import Console
from hanota.bench.power import CallablePower
from hanota.clock import LoopClock
from hanota.conformance.places import capture_of, database_of, store_of
from hanota.conformance.rig_options import Foundation, RigDevice
from hanota.demo.bench import make_bench
from hanota.demo.composition import HubKeys, network_of
from hanota.demo.parties import entropy_of, make_parties
from hanota.demo.plan import MANUFACTURER, NEW_VERSION, Plan, PlannedDevice
from hanota.emulator.devices.misbehaviour import misbehave
from hanota.emulator.loop import measured_by_loop
from hanota.emulator.serialx_handler import published
from hanota.errors import ConfigError
from hanota.gbcs.reference_test_data import BROKER, HCALCS, HUB, PPMID, SUPPLIER
from hanota.hub.jobs import JobKind
from hanota.ota.fields import ImageId
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.radio.coordinator import Coordinator
from hanota.radio.settings import LinkSecurity, RadioSettings
from hanota.radio.url import FAMILIES, RadioUrl
from hanota.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hanota.clock import Clock
    from hanota.conformance.rig_options import RigOptions
    from hanota.demo.parties import Parties
    from hanota.emulator.devices import FirmwareDevice
    from hanota.eui64 import Eui64
    from hanota.radio.capture import Capture

IMAGE_TYPES: Final = {JobKind.PPMID: IMAGE_TYPE_PPMID, JobKind.HCALCS: IMAGE_TYPE_HCALCS}
_HARDWARE_VERSION: Final = 0x0001
_numbers = itertools.count(1)
"""A name for each rig's port: several may be open at once."""


def is_emulated(radio: str) -> bool:
    """Tell whether `radio` means an emulated dongle in this process."""
    return radio in FAMILIES or radio.partition("+")[2].startswith("emulator:")


@asynccontextmanager
async def emulated_foundation(options: RigOptions) -> AsyncIterator[Foundation]:
    """Make dongle and devices for the length of a `with` block; raise ConfigError."""
    family = options.radio.partition("+")[0]
    if family not in FAMILIES:
        raise ConfigError(f"--radio {options.radio!r} is no radio", hint=f"one of {', '.join(FAMILIES)}")
    clock = LoopClock(asyncio.get_running_loop(), options.epoch)
    named = {"ppmid": (JobKind.PPMID, PPMID), "hcalcs": (JobKind.HCALCS, HCALCS)}
    unknown = options.misbehaviours.keys() - named.keys()
    if unknown:
        raise ConfigError(f"there is no emulated device {min(unknown)!r}", hint="ppmid or hcalcs")
    parties = make_parties(
        supplier=SUPPLIER,
        broker=BROKER,
        hub=HUB,
        devices=[PPMID, HCALCS],
        keystore=None,
        now=options.epoch,
        seed=options.seed,
    )
    bench = make_bench(
        Plan((), tuple(_planned(*each) for each in named.values()), SUPPLIER, BROKER),
        parties,
        clock,
        options.seed,
        radio=family,
        security=options.security,
        suite=options.suite,
    )
    with ExitStack() as stack:
        stack.callback(bench.switch_off)
        port = stack.enter_context(published(f"rig-{next(_numbers)}", bench.dongle))
        if family == "ezsp":
            stack.enter_context(measured_by_loop(import_module("bellows.ash")))
        store = stack.enter_context(store_of(options))
        codes = [node.identity.install_code for node in bench.devices.values()]
        capture, head = stack.enter_context(capture_of(options, clock, codes))
        url = RadioUrl.parse(f"{family}+{port}")

        def new_coordinator(security: LinkSecurity) -> Coordinator:
            return _coordinator(url, parties, options, security, clock, capture)

        devices = {
            name: _device(name, kind, bench.devices[eui64], options, clock, stack)
            for name, (kind, eui64) in named.items()
        }
        for name, misbehaviours in options.misbehaviours.items():
            for misbehaviour in misbehaviours:
                misbehave(bench.devices[named[name][1]], misbehaviour)
        yield Foundation(
            f"{family}+emulator://",
            HubKeys.of(parties),
            devices,
            clock,
            store,
            new_coordinator,
            options.security,
            database_of(options),
            head,
            bench.air,
            bench.dongle,
        )


def _planned(kind: JobKind, device: Eui64) -> PlannedDevice:
    running = ImageId(MANUFACTURER, IMAGE_TYPES[kind], NEW_VERSION - 1)
    return PlannedDevice(device, kind, running, _HARDWARE_VERSION, NEW_VERSION.to_bytes(4, "big"))


def _coordinator(
    url: RadioUrl,
    parties: Parties,
    options: RigOptions,
    security: LinkSecurity,
    clock: Clock,
    capture: Capture | None,
) -> Coordinator:
    establish = security is LinkSecurity.KEY_ESTABLISHMENT
    return Coordinator(
        url,
        RadioSettings(network=network_of(options.seed), link_security=security),
        clock=clock,
        credentials=parties.cbke[parties.hub.eui64] if establish else None,
        entropy=entropy_of(parties.seed, f"ephemeral keys of {parties.hub.eui64}"),
        capture=capture,
    )


def _device(
    name: str, kind: JobKind, node: FirmwareDevice, options: RigOptions, clock: Clock, stack: ExitStack
) -> RigDevice:
    log = None if options.artifacts is None else options.artifacts / f"{name}.console.log"
    console = Console(name, log=log, stamp=lambda: iso(clock.now()))
    stack.callback(console.close)

    async def off() -> None:
        node.power_off()

    def noticed(text: str) -> None:
        console.feed(f"{text}\r\n".encode())

    node.notice = noticed
    return RigDevice(
        name=name,
        kind=kind,
        eui64=node.eui64,
        install_code=node.identity.install_code,
        power=CallablePower(node.power_on, off),
        console=console,
        emulated=node,
    )
