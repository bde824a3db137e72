"""The Minimum Block Period in the unit of the client's cluster revision.

The OTA Upgrade cluster changed it twice: milliseconds in revision 1, seconds in revision 2 (ZSE 1.2b),
milliseconds again from revision 3 on.
"""

from __future__ import annotations

from math import ceil
from typing import Final

_IN_SECONDS: Final = 2
"""The one revision of the cluster that counts seconds."""
_LONGEST: Final = 0xFFFF


def period_field(seconds: float, cluster_revision: int) -> int:
    """Return `seconds` as the field of a client of that revision, rounded up to what the unit can say."""
    units = seconds if cluster_revision == _IN_SECONDS else seconds * 1000
    return min(ceil(units), _LONGEST)


def period_seconds(field: int, cluster_revision: int) -> float:
    """Return the seconds that the field of a client of that revision means."""
    return field if cluster_revision == _IN_SECONDS else field / 1000


class BlockPeriod:
    """The Minimum Block Period that the server wants of one client, and whether it was told.

    Nothing is told to a client whose cluster revision is not known: 500 means half a second to one and more
    than eight minutes to the other.
    """

    __slots__ = ("_attempts", "_told", "cluster_revision", "seconds")

    def __init__(self, attempts: int) -> None:
        self.seconds = 0.0
        self.cluster_revision: int | None = None
        self._attempts = attempts
        self._told = 0

    def want(self, seconds: float) -> None:
        """Ask for another period from the next block request on."""
        self.seconds = seconds
        self._told = 0

    def to_tell(self, field: int | None) -> int | None:
        """Return the period for a client whose request has `field`, None if there is nothing to tell.

        Told a few times only: a client that does not take it up is served all the same.
        """
        if field is None or self.cluster_revision is None or self._told >= self._attempts:
            return None
        wanted = period_field(self.seconds, self.cluster_revision)
        if wanted == field:
            return None
        self._told += 1
        return wanted
