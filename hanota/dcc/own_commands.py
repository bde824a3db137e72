"""Requests that become a command of the broker's own: 11.2 (CS08) and 8.11 (CCS01, CCS02)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from hanota.dcc.codes import BAD_INSTALL_CODE, NOT_FUTURE_DATED, NOT_NOW, UNKNOWN_DEVICE
from hanota.dcc.errors import RequestRejectedError
from hanota.dcc.prepared import Done, Prepared
from hanota.duis.request import HanDeviceLogChange
from hanota.errors import UnverifiableError
from hanota.gbcs.device_log import add_device_command, remove_device_command
from hanota.gbcs.read_firmware_version import read_firmware_version_command
from hanota.hub.ports import DeviceType as HanDeviceType

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.dcc.broker import AccessControlBroker
    from hanota.dcc.exchange import Exchange
    from hanota.dcc.inventory import Inventory
    from hanota.duis.request import ReadFirmwareVersion, UpdateHanDeviceLog
    from hanota.eui64 import Eui64
    from hanota.gbcs.message import Message

_Maker: TypeAlias = "Callable[[Eui64, int], Message]"
"""Makes a command of the broker's EUI-64 and its Originator Counter."""
_Request: TypeAlias = "ReadFirmwareVersion | UpdateHanDeviceLog"

INSTALL_CODE_SIZE: Final = 16
"""Octets of `key` in CCS01."""


class OwnCommands:
    """Sends commands that carry no supplier's signature, only the broker's MAC."""

    def __init__(
        self, broker: AccessControlBroker, exchange: Exchange, inventory: Inventory, clock: Clock
    ) -> None:
        self._broker, self._exchange = broker, exchange
        self._inventory, self._clock = inventory, clock

    def read_firmware_version(self, request: ReadFirmwareVersion) -> Prepared:
        """Prepare SR 11.2."""
        request_id = request.request_id

        def make(acb: Eui64, counter: int) -> Message:
            return read_firmware_version_command(
                acb, request_id.target, counter, request_id.originator, request_id.counter
            )

        return self._prepare(request, "Read Firmware Version", make)

    def update_han_device_log(self, request: UpdateHanDeviceLog) -> Prepared:
        """Prepare SR 8.11."""
        return self._prepare(
            request,
            "Update HAN Device Log",
            self._addition(request)
            if request.request_type is HanDeviceLogChange.ADD
            else self._removal(request),
            request_type=str(request.request_type),
            device_id=str(request.device_id),
        )

    def _addition(self, request: UpdateHanDeviceLog) -> _Maker:
        request_id, install_code, device = request.request_id, request.install_code, request.device_id
        record = self._inventory.device(device)
        if install_code is None or len(install_code) != INSTALL_CODE_SIZE:
            raise RequestRejectedError(
                f"an install code of GBCS has {INSTALL_CODE_SIZE} octets, without its CRC",
                code=BAD_INSTALL_CODE,
            )
        if record is None or request.join_time_period is None:
            raise RequestRejectedError(f"the type of {device} is not known", code=UNKNOWN_DEVICE)
        join_timeout, device_type = request.join_time_period, HanDeviceType[record.device_type.name]

        def make(acb: Eui64, counter: int) -> Message:
            return add_device_command(
                acb,
                request_id.target,
                counter,
                request_id.originator,
                request_id.counter,
                device=device,
                install_code=install_code,
                device_type=device_type,
                join_timeout=join_timeout,
            )

        return make

    def _removal(self, request: UpdateHanDeviceLog) -> _Maker:
        request_id, device = request.request_id, request.device_id

        def make(acb: Eui64, counter: int) -> Message:
            return remove_device_command(
                acb, request_id.target, counter, request_id.originator, request_id.counter, device
            )

        return make

    def _prepare(self, request: _Request, name: str, make: _Maker, **detail: str) -> Prepared:
        when = request.execution_date_time
        if when is not None and when.timestamp() > self._clock.now():
            raise RequestRejectedError(
                f"{request.service_reference} is carried out at once, not at {when.isoformat()}",
                code=NOT_FUTURE_DATED,
                hint="leave the ExecutionDateTime out",
            )
        self._exchange.check_room()
        try:
            self._broker.check_keys(request.request_id.target)
        except UnverifiableError as error:
            raise RequestRejectedError(str(error), code=NOT_NOW, may_be_repeated=True) from error
        return Prepared(name=name, detail=detail, carry_out=partial(self._send, request, make))

    def _send(self, request: _Request, make: _Maker) -> Done:
        command = self._broker.own_command(make)
        outcome = self._exchange.send(request.request_id, request.service_reference, command, "ACB MAC")
        return Done(outcome=outcome)
