"""What stands in for the rig's fixtures where pytest-asyncio is not there: its tests say so."""

from __future__ import annotations

from typing import Never

import pytest


@pytest.fixture
def rig() -> Never:
    """Fail, and tell what is missing."""
    pytest.fail("tests on a radio need pytest-asyncio: pip install pytest-asyncio", pytrace=False)


@pytest.fixture
def ppmid(rig: Never) -> None:
    """Never get as far as this."""


@pytest.fixture
def hcalcs(rig: Never) -> None:
    """Never get as far as this."""
