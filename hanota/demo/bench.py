"""The emulated bench: an air, a dongle on a serial line, and the devices of the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hanota.demo.parties import entropy_of
from hanota.emulator.air import Air
from hanota.emulator.devices import DeviceIdentity, DeviceSettings, FirmwareDevice, Hcalcs, Ppmid
from hanota.emulator.dongles import make_dongle
from hanota.emulator.emulation.entries import default_install_code
from hanota.hub.jobs import JobKind
from hanota.hub.ports import DeviceType
from hanota.radio.settings import LinkSecurity
from hanota.zse.cbke import Suite

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.demo.parties import Parties
    from hanota.demo.plan import Plan
    from hanota.emulator.airtime import AirSettings
    from hanota.emulator.dongles import Dongle
    from hanota.emulator.line import LineSettings
    from hanota.eui64 import Eui64

DEVICE_CLASSES: Final[dict[JobKind, type[FirmwareDevice]]] = {JobKind.PPMID: Ppmid, JobKind.HCALCS: Hcalcs}
DEVICE_TYPES: Final = {JobKind.PPMID: DeviceType.PPMID, JobKind.HCALCS: DeviceType.HCALCS}


@dataclass(frozen=True, slots=True)
class Bench:
    """What stands on the bench in place of metal."""

    radio: str
    """The radio family of the dongle, as in a radio URL."""
    security: LinkSecurity
    """What the devices secure their messages with, and what the hub has to ask for."""
    air: Air
    dongle: Dongle
    devices: dict[Eui64, FirmwareDevice]

    def switch_off(self) -> None:
        """Cut the power of everything."""
        for device in self.devices.values():
            device.power_off()
        self.dongle.stop()


def make_bench(
    plan: Plan,
    parties: Parties,
    clock: Clock,
    seed: int,
    *,
    radio: str = "znp",
    version: int | str | None = None,
    security: LinkSecurity = LinkSecurity.KEY_ESTABLISHMENT,
    suite: Suite = Suite.TWO,
    settings: DeviceSettings | None = None,
    line: LineSettings | None = None,
    air: AirSettings | None = None,
) -> Bench:
    """Set up dongle and devices, nothing joined yet; raise ConfigError for a dongle there is not.

    `suite` is what the devices establish their link keys with, where they do; `settings` are theirs.
    """
    medium = Air(seed=seed, settings=air)
    dongle = make_dongle(radio, medium, eui64=parties.hub.eui64, version=version, line=line, seed=seed).dongle
    establish = security is LinkSecurity.KEY_ESTABLISHMENT
    plain = security is LinkSecurity.NONE
    settings = replace(settings or DeviceSettings(), aps_encryption=not plain)
    devices = {
        planned.device: DEVICE_CLASSES[planned.kind](
            DeviceIdentity(
                credentials=parties.devices[planned.device],
                install_code=default_install_code(planned.device),
                image=planned.running,
                hardware_version=planned.hardware_version,
                model=f"emulated {planned.kind}",
                cbke=parties.cbke[planned.device].suites[suite] if establish else None,
            ),
            parties.trust,
            clock,
            settings,
        )
        for planned in plan.devices
    }
    for eui64, device in devices.items():
        device.key_establishment.entropy = entropy_of(parties.seed, f"ephemeral keys of {eui64}")
    return Bench(radio, security, medium, dongle, devices)
