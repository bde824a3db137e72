"""Every case, in the order they are run: what others build on comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hanota.conformance.cases.activation import ACTIVATION_CASES
from hanota.conformance.cases.alert import ALERT_CASES
from hanota.conformance.cases.dated import DATED_CASES
from hanota.conformance.cases.download import DOWNLOAD_CASES
from hanota.conformance.cases.forged import FORGED_CASES
from hanota.conformance.cases.offers import OFFER_CASES
from hanota.conformance.cases.version import VERSION_CASES
from hanota.conformance.cases.zcl import ZCL_CASES
from hanota.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.conformance.case import Case

CASES: Final[tuple[Case, ...]] = (
    *ZCL_CASES,
    *DOWNLOAD_CASES,
    *OFFER_CASES,
    *VERSION_CASES,
    *ALERT_CASES,
    *ACTIVATION_CASES,
    *FORGED_CASES,
    *DATED_CASES,
)


def chosen(names: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases of these names in their own order, with none all; raise ConfigError."""
    known = {case.name for case in CASES}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ConfigError(
            f"there is no case {unknown[0]!r}", hint="`hanota conformance --list` has their names"
        )
    return tuple(case for case in CASES if not names or case.name in names)
