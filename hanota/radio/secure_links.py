"""Links secured by key establishment: its server, the keys it made, and whose frame is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.radio.established_keys import EstablishedKeys
from hanota.radio.key_establishment import KeyEstablishment
from hanota.radio.link_policy import LinkPolicy
from hanota.radio.sender_check import SenderCheck
from hanota.radio.settings import LinkSecurity

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.clock import Clock
    from hanota.eui64 import Eui64
    from hanota.hub.ports import RadioListener
    from hanota.radio.key_establishment import Radio
    from hanota.radio.link_keys import LinkKeyTable
    from hanota.radio.settings import RadioSettings
    from hanota.zse.cbke import SiteCredentials


class SecureLinks:
    """What a coordinator with LinkSecurity.KEY_ESTABLISHMENT has beside one without."""

    def __init__(
        self,
        settings: RadioSettings,
        site: SiteCredentials,
        *,
        clock: Clock,
        entropy: Callable[[int], bytes],
        listener: RadioListener,
        radio: Radio,
        secret: Callable[[bytes], None],
        exported: Callable[[Eui64, bytes, str], None],
    ) -> None:
        """`secret` hears of each key before it goes anywhere, `exported` of each that is established."""
        self._listener, self._radio, self._own = listener, radio, site.subject
        self.keys = EstablishedKeys(listener, clock, secret=secret)
        self.establishment = KeyEstablishment(
            settings,
            site,
            clock=clock,
            entropy=entropy,
            listener=listener,
            radio=radio,
            keys=self.keys,
            exported=exported,
        )
        self.senders = SenderCheck(
            settings.frames_in_doubt, owner=self._owner, spawn=self.establishment.spawn
        )
        self.policy = LinkPolicy(LinkSecurity.KEY_ESTABLISHMENT, established=self.keys, senders=self.senders)
        self._lost: dict[Eui64, str] = {}

    async def start(self) -> None:
        """Get ready to compute."""
        await self.establishment.start()

    async def stop(self) -> None:
        """End everything under way."""
        await self.establishment.stop()

    async def check(self, table: LinkKeyTable) -> None:
        """Compare the keys of a coordinator that was just opened with those that are stored."""
        self.senders.reset()
        self._lost = await self.keys.check(table, self._own)

    def tell_lost(self) -> None:
        """Tell whose keys the check found good no more."""
        for device, reason in self._lost.items():
            self._listener.link_key_lost(device, reason)
        self._lost.clear()

    def doubt(self, nwk: int, former: int | None) -> None:
        """Hear of the short address of a device, and of the one it had before."""
        self.senders.doubt(nwk)
        if former is not None:
            self.senders.doubt(former)

    async def _owner(self, nwk: int) -> Eui64 | None:
        return await self._radio.link_keys.owner(nwk)
