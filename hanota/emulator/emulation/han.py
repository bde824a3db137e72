"""An emulated HAN: one air, the dongle that other programs drive, and the devices of a han.toml."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from hanota.emulator.air import Air
from hanota.emulator.dongles import make_dongle
from hanota.emulator.emulation.member import Member
from hanota.emulator.emulation.nodes import make_node, memory_of, remembered, restore
from hanota.emulator.emulation.table import Table
from hanota.emulator.line import LineSettings
from hanota.errors import ConfigError, HanotaError
from hanota.eui64 import Eui64

if TYPE_CHECKING:
    from hanota.clock import Clock
    from hanota.emulator.emulation.entries import DeviceEntry, HanFile
    from hanota.emulator.emulation.nodes import LabKeys
    from hanota.emulator.impairments import LineFaults
    from hanota.emulator.memory import Json

Tell: TypeAlias = Callable[[Eui64, str], None]
"""Called with the device something happens to, and what happens, in words."""


class Han:
    """A dongle and its devices; the dongle answers on its line at once, the devices live while `run` runs."""

    def __init__(
        self,
        file: HanFile,
        radio: str,
        *,
        keys: LabKeys,
        clock: Clock,
        tell: Tell,
        seed: int = 0,
        state: dict[str, Json] | None = None,
    ) -> None:
        """Raise ConfigError for what `file`, or the `state` kept of an earlier run, has wrong."""
        kept = Table(state or {}, "state")
        written_by = kept.text("radio", radio, longest=16)
        if written_by != radio:
            kept.fail("radio", f"the state of a {radio} dongle", written_by)
        self.radio = radio
        self.air = Air(seed=seed)
        memory = None if state is None else state.get("dongle")
        made = make_dongle(
            radio,
            self.air,
            eui64=file.dongle.eui64,
            version=file.dongle.version,
            line=LineSettings(baudrate=file.dongle.baudrate, flow_control=file.dongle.flow_control),
            seed=seed,
            memory=memory,
        )
        self.dongle, self._dongle_memory = made.dongle, made.memory
        _assign(self.dongle.line.to_host, file.dongle.to_host)
        _assign(self.dongle.line.to_ncp, file.dongle.to_ncp)
        devices = kept.table("devices", "devices")
        self.members = {
            entry.eui64: self._member(entry, devices, keys, clock, tell) for entry in file.devices
        }
        self.broken = False
        """Whether `break_air` has broken the air."""

    async def run(self) -> None:
        """Let the devices live, for ever; raise ConfigError where a socket cannot be listened on."""
        try:
            async with asyncio.TaskGroup() as activities:
                for member in self.members.values():
                    activities.create_task(member.stay_on())
                    activities.create_task(member.stay_connected())
        except ExceptionGroup as failures:
            ours = failures.subgroup(HanotaError)
            if ours is None:
                raise
            raise ours.exceptions[0] from failures

    def switch_off(self) -> None:
        """Cut the power of everything."""
        for member in self.members.values():
            member.power_off()
        self.dongle.stop()

    def member(self, eui64: Eui64) -> Member:
        """Return a device; raise ConfigError for one that is not there."""
        member = self.members.get(eui64)
        if member is None:
            raise ConfigError(
                f"no device {eui64} on this HAN", hint=f"there are {', '.join(map(str, self.members))}"
            )
        return member

    def break_air(self) -> None:
        """Let no frame through between the dongle and any device."""
        if not self.broken:
            self.broken = True
            self.air.partition([self.dongle.eui64])

    def heal_air(self) -> None:
        """End what `break_air` began."""
        self.broken = False
        self.air.heal()

    def state(self) -> dict[str, Json]:
        """Return what survives a power cut, dongle and devices, as `__init__` takes it."""
        return {
            "radio": self.radio,
            "dongle": self._dongle_memory(),
            "devices": {str(eui64): memory_of(member.node) for eui64, member in self.members.items()},
        }

    def _member(self, entry: DeviceEntry, kept: Table, keys: LabKeys, clock: Clock, tell: Tell) -> Member:
        memory = kept.table(str(entry.eui64), str(entry.eui64))
        node = make_node(remembered(entry, memory), keys, clock)
        restore(node, memory, self.air)
        self.air.faults[entry.eui64] = replace(entry.faults)
        return Member(entry, node, self.air, partial(tell, entry.eui64))


def _assign(faults: LineFaults, wanted: LineFaults) -> None:
    for fault in fields(wanted):
        setattr(faults, fault.name, getattr(wanted, fault.name))
