"""A pcapng file of every application frame between the hub and its HAN, as it was once security was off.

Wireshark shows ZCL, the OTA Upgrade cluster and ZDO without any key. Nothing in it is secret: link keys are
moved by APS commands, which never come this high.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hanota.errors import ConfigError
from hanota.radio.capture.layers import COORDINATOR, Address, Asdu, frame, tap_header
from hanota.radio.capture.pcapng import (
    INBOUND,
    LINKTYPE_IEEE802_15_4_TAP,
    OUTBOUND,
    enhanced_packet,
    interface_description,
    section_header,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.radio.frame import ReceivedFrame, SentFrame

logger = logging.getLogger(__name__)

FILE_MODE: Final = 0o600
"""It has no keys, but tells what devices of a home said."""
_COMMENT: Final = (
    "The HAN as hanota's hub saw it: headers below the application layer are made up again, security is off"
)


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """Limits of one capture file."""

    largest_file: int = 256 * 1024 * 1024
    """Octets, some two million frames: a night of conformance tests; then it ends, and says so in the log."""


class Capture:
    """Writes frames to a pcapng file until `close`; one that cannot be written any more ends by itself."""

    def __init__(self, path: Path, clock: Clock, settings: CaptureSettings | None = None) -> None:
        """Create the file, or begin it anew; raise ConfigError."""
        self._path, self._clock, self._settings = path, clock, settings or CaptureSettings()
        self._sequence = 0
        self._written = 0
        self._network: tuple[Eui64 | None, int, int] = (None, 0xFFFF, 0)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
        except OSError as error:
            raise ConfigError(
                f"cannot write a capture to {path}: {error.strerror or error}",
                hint="name a file in a folder of your own",
            ) from error
        self._file: BinaryIO | None = os.fdopen(descriptor, "wb")
        self._write(
            section_header("hanota", _COMMENT) + interface_description(LINKTYPE_IEEE802_15_4_TAP, "HAN")
        )

    def network(self, eui64: Eui64, pan_id: int, channel: int) -> None:
        """Hear of the coordinator's network; frames before it have no PAN ID."""
        self._network = (eui64, pan_id, channel)

    def received(self, received: ReceivedFrame, device: Eui64 | None) -> None:
        """Write one frame from a device; `device` where its EUI-64 is known."""
        asdu = Asdu(
            source=Address(received.nwk, device),
            destination=Address(COORDINATOR if received.unicast else 0xFFFD, None),
            source_endpoint=received.source_endpoint,
            destination_endpoint=received.endpoint,
            profile=received.profile,
            cluster=received.cluster,
            data=received.data,
            acknowledged=False,
        )
        self._packet(asdu, INBOUND, encrypted=received.encrypted, lqi=received.lqi, rssi=received.rssi)

    def sent(self, sent: SentFrame, device: Eui64 | None) -> None:
        """Write one frame as it is handed to the coordinator."""
        asdu = Asdu(
            source=Address(COORDINATOR, self._network[0]),
            destination=Address(sent.nwk, device),
            source_endpoint=sent.source_endpoint,
            destination_endpoint=sent.endpoint,
            profile=sent.profile,
            cluster=sent.cluster,
            data=sent.data,
            acknowledged=sent.acknowledged,
        )
        self._packet(asdu, OUTBOUND, encrypted=sent.encrypted, lqi=None, rssi=None)

    def close(self) -> None:
        """Close the file; frames that come later are not written."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                logger.warning("capture %s: %s", self._path, error)

    def _packet(
        self, asdu: Asdu, direction: int, *, encrypted: bool, lqi: int | None, rssi: int | None
    ) -> None:
        if self._file is None or asdu.source.nwk == asdu.destination.nwk:
            return  # what the host says to its own coordinator's ZDO never was on the HAN
        self._sequence += 1
        _, pan_id, channel = self._network
        data = tap_header(channel, lqi, rssi) + frame(pan_id, self._sequence, asdu)
        comment = "under APS encryption" if encrypted else ""
        self._write(enhanced_packet(self._clock.now(), data, direction=direction, comment=comment))

    def _write(self, block: bytes) -> None:
        """Write a block at once, so that a hub that is killed leaves a whole file."""
        if self._file is None:
            return
        if self._written + len(block) > self._settings.largest_file:
            logger.warning("capture %s is full at %d octets and ends here", self._path, self._written)
            self.close()
            return
        try:
            self._file.write(block)
            self._file.flush()
        except OSError as error:
            logger.warning("capture %s ends here: %s", self._path, error)
            self.close()
            return
        self._written += len(block)
