"""pytest-xdist on metal: all tests of a dongle go to one worker, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadGroupScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from xdist.remote import Producer

    from hanota.testing.radios import Radio


class DongleScheduling(LoadGroupScheduling):  # type: ignore[misc]  # published without types for mypy
    """`--dist loadgroup`, with each dongle as a group.

    The mark xdist_group would say the same, but with pytest 9.2 pytest-xdist 3.8 loses it without a word
    (pytest-xdist, issue 1386).
    """

    def __init__(self, config: pytest.Config, log: Producer, radios: Sequence[Radio]) -> None:
        super().__init__(config, log)
        # The longest first: ttyUSB1 is in ttyUSB10 too.
        self._names = sorted((radio.name for radio in radios), key=len, reverse=True)

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test: a scheduler has its id alone, and that names the dongle."""
        ours = next((name for name in self._names if name in nodeid), None)
        scope: str = super()._split_scope(nodeid) if ours is None else ours
        return scope
