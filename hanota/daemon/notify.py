"""What systemd is told (sd_notify): ready, stopping, alive. Nothing where nobody asked for it.

Source: sd_notify(3), systemd.service(5): datagrams to the unix socket NOTIFY_SOCKET names.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
_MICROSECOND: Final = 1e-6


class Notifier:
    """Tells the service manager how the daemon is."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is in Linux's abstract namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        asked = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog: Final = int(asked) * _MICROSECOND if asked.isdecimal() and ours else None
        """Seconds within which it wants to hear WATCHDOG, None where it does not."""

    def tell(self, *states: str) -> None:
        """Send states, such as READY; what cannot be sent is logged and changes nothing."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(0)
                channel.sendto("\n".join(states).encode(), self._address)
        except OSError as error:
            logger.warning("cannot tell the service manager %s: %s", states[0], error.strerror)
