"""Which frames between the hub and its devices are encrypted, and under whose key (ZSE 1.4 table 5-12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.errors import DeliveryError
from hanota.radio.served_clusters import PLAIN
from hanota.radio.settings import LinkSecurity

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from hanota.eui64 import Eui64
    from hanota.radio.sender_check import SenderCheck

SENT_PLAIN: Final = "sent without APS encryption"
NO_ESTABLISHED_KEY: Final = "encrypted without an established key"


class LinkPolicy:
    """The rules of one kind of link security."""

    def __init__(
        self,
        security: LinkSecurity,
        *,
        established: Container[Eui64] = frozenset(),
        senders: SenderCheck | None = None,
    ) -> None:
        """`established`: the devices with such a key; `senders` tells whose key a frame came under."""
        self._security, self._established, self._senders = security, established, senders

    def fault(self, device: Eui64 | None, cluster: int, *, encrypted: bool) -> str | None:
        """Return why a frame that came is to be refused; None is a sender not known."""
        if self._security is LinkSecurity.NONE or cluster in PLAIN:
            return None
        if not encrypted:
            return SENT_PLAIN
        if self._security is LinkSecurity.KEY_ESTABLISHMENT and device not in self._established:
            return NO_ESTABLISHED_KEY
        return None

    def examine(
        self,
        nwk: int,
        device: Eui64,
        cluster: int,
        *,
        encrypted: bool,
        believe: Callable[[], None],
        refuse: Callable[[str], None],
    ) -> None:
        """Call one of the two for a frame without `fault`, once it is known whose key it came under."""
        if self._senders is None or not encrypted or cluster in PLAIN:
            believe()
            return

        def still_believed() -> None:
            # It may have been held, and what it came under found void meanwhile.
            fault = self.fault(device, cluster, encrypted=encrypted)
            if fault is None:
                believe()
            else:
                refuse(fault)

        self._senders.examine(nwk, device, still_believed, refuse)

    def encrypts(self, device: Eui64, cluster: int, *, asked: bool) -> bool:
        """Tell whether a frame goes encrypted; raise DeliveryError where that cannot be."""
        match self._security:
            case LinkSecurity.NONE:
                return False
            case LinkSecurity.INSTALL_CODE:
                return asked
            case LinkSecurity.KEY_ESTABLISHMENT:
                encrypted = asked or cluster not in PLAIN
                if encrypted and device not in self._established:
                    raise DeliveryError(
                        f"{device} has no established link key",
                        hint="it has to run key establishment first; is it joined, and has it credentials?",
                    )
                return encrypted
