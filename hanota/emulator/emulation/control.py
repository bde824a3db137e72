"""The commands a person or a test gives to a running emulation: JSON object in, JSON object out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from hanota.emulator.devices.client_shapes import QUIRK_NAMES
from hanota.emulator.devices.misbehaviour import MISBEHAVIOURS
from hanota.emulator.emulation.han_file import read_faults
from hanota.emulator.emulation.table import Table
from hanota.errors import ConfigError, HanotaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hanota.emulator.emulation.han import Han
    from hanota.emulator.emulation.member import Member
    from hanota.emulator.emulation.ports import Port
    from hanota.emulator.memory import Json

Handler: TypeAlias = Callable[[Table], Awaitable["dict[str, Json]"]]
"""Takes the rest of a request, returns the rest of the answer; raises HanotaError."""

LONGEST_TEXT = 1024
"""Octets of a text in a command."""


class Control:
    """Carries out commands on a HAN and the port of its dongle."""

    def __init__(self, han: Han, port: Port) -> None:
        self._han, self._port = han, port
        self.commands: dict[str, Handler] = {
            "status": self._status,
            "join": self._join,
            "leave": self._leave,
            "power_off": self._power_off,
            "power_on": self._power_on,
            "fault": self._fault,
            "misbehave": self._misbehave,
            "cmd": self._cmd,
            "break": self._break,
            "heal": self._heal,
            "unplug": self._unplug,
            "plug": self._plug,
            "reset": self._reset,
        }

    async def execute(self, request: object) -> dict[str, Json]:
        """Carry out `{"command": ...}` and answer `{"ok": true, ...}` or `{"ok": false, "error": ...}`."""
        try:
            if not isinstance(request, dict):
                raise ConfigError("not a JSON object", hint='write {"command": "status"}')
            table = Table(request, "request")
            name = table.choice("command", self.commands, None)
            if name is None:
                table.fail("command", f"one of {', '.join(self.commands)}", None)
            return {"ok": True, **await self.commands[name](table)}
        except HanotaError as error:
            answer: dict[str, Json] = {"ok": False, "error": str(error)}
            return answer if error.hint is None else {**answer, "hint": error.hint}

    async def _status(self, table: Table) -> dict[str, Json]:
        members = self._members(table)
        table.done()
        dongle, line = self._han.dongle, self._han.dongle.line
        return {
            "radio": self._han.radio,
            "dongle": str(dongle.eui64),
            "port": self._port.name,
            "plugged": self._port.plugged,
            "open": line.is_open,
            "network_up": dongle.network_up,
            "air_broken": self._han.broken,
            "devices": [member.status() for member in members],
        }

    async def _join(self, table: Table) -> dict[str, Json]:
        """Join one device, or all that have not joined; the first refusal is the answer."""
        members = self._members(table)
        table.done()
        waiting = [member for member in members if not member.node.joined]
        failures: list[HanotaError] = []
        for member in waiting:
            try:
                await member.join()
            except HanotaError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return {"joined": [str(member.entry.eui64) for member in waiting]}

    async def _leave(self, table: Table) -> dict[str, Json]:
        member = self._one(table)
        table.done()
        await member.leave()
        return {}

    async def _power_off(self, table: Table) -> dict[str, Json]:
        members = self._members(table)
        table.done()
        for member in members:
            member.power_off()
        return {}

    async def _power_on(self, table: Table) -> dict[str, Json]:
        members = self._members(table)
        table.done()
        for member in members:
            await member.power_on()
        return {}

    async def _fault(self, table: Table) -> dict[str, Json]:
        """Set faults of a device's link, of all links, or of one direction of the dongle's line."""
        line = self._han.dongle.line
        match table.choice("line", ("to_host", "to_ncp"), None):
            case "to_host":
                read_faults(table, line.to_host)
            case "to_ncp":
                read_faults(table, line.to_ncp)
            case _:
                members = list(self._members(table))
                wanted = {key: table.take(key) for key in table.names()}
                for member in members:
                    faults = self._han.air.faults[member.entry.eui64]
                    read_faults(Table(wanted, table.place), faults)
        return {}

    async def _misbehave(self, table: Table) -> dict[str, Json]:
        member = self._one(table)
        names = (*MISBEHAVIOURS, *QUIRK_NAMES)
        name = table.choice("name", names, None)
        if name is None:
            table.fail("name", f"one of {', '.join(names)}", None)
        table.done()
        member.misbehave(name)
        return {}

    async def _cmd(self, table: Table) -> dict[str, Json]:
        member = self._one(table)
        text = table.text("text", None, longest=LONGEST_TEXT)
        if text is None:
            table.fail("text", f"a text of up to {LONGEST_TEXT} octets", None)
        table.done()
        member.command(text)
        return {}

    async def _break(self, table: Table) -> dict[str, Json]:
        table.done()
        self._han.break_air()
        return {}

    async def _heal(self, table: Table) -> dict[str, Json]:
        table.done()
        self._han.heal_air()
        return {}

    async def _unplug(self, table: Table) -> dict[str, Json]:
        table.done()
        await self._port.unplug()
        return {}

    async def _plug(self, table: Table) -> dict[str, Json]:
        table.done()
        await self._port.plug()
        return {}

    async def _reset(self, table: Table) -> dict[str, Json]:
        table.done()
        self._han.dongle.reset()
        return {}

    def _one(self, table: Table) -> Member:
        device = table.eui64("device", None)
        if device is None:
            table.fail("device", "the EUI-64 of a device", None)
        return self._han.member(device)

    def _members(self, table: Table) -> Iterable[Member]:
        """Return the device named, or all of them."""
        device = table.eui64("device", None)
        return tuple(self._han.members.values()) if device is None else (self._han.member(device),)
