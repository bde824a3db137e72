"""Secrets in logs: over a pseudo terminal and over TCP, where ports have own logs, no key is written."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from hanota.emulator.loop import loop_factory
from hanota.emulator.tty import served_on_pty, served_on_tcp
from hanota.radio.redaction import Redaction
from tests.radio_dongles import FAMILIES
from tests.simulation.secrets_support import everything_logged, secrets_of, written_in
from tests.simulation.update_support import update_bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from hanota.emulator.line import Line
    from tests.radio_dongles import Dongle

    Served = Callable[[Line], AbstractAsyncContextManager[str]]

LINE = re.compile(r"bellows\.ash|bellows\.uart|zigpy_znp\.uart|zigpy\.serial|serialx")
OCTETS = re.compile(r"\bb['\"]|\b(?=\w*[a-f])[0-9a-f]{8,}\b")
SPEED = 4
"""How much faster than the wall, as in the real-time tests of the update."""


async def joined(dongle: Dongle, served: Served) -> dict[str, bytes]:
    """Let both devices join; return every secret."""
    async with update_bench(dongle, served=served) as b:
        return secrets_of(b, dongle)


def logged(dongle: Dongle, served: Served) -> tuple[str, dict[str, bytes]]:
    with everything_logged() as written, asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
        secrets = runner.run(joined(dongle, served))
    return "\n".join(written.lines), secrets


@pytest.mark.parametrize("served", [served_on_pty, served_on_tcp], ids=["pty", "tcp"])
@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_no_key_is_in_the_log_of_a_port(dongle: Dongle, served: Served) -> None:
    text, secrets = logged(dongle, served)
    assert "zigpy.serial" in text
    assert written_in(text, secrets) == set()
    # A key that ASH has randomised, or that came in two reads, would be found by no search.
    assert [line for line in text.splitlines() if LINE.match(line) and OCTETS.search(line)] == []


@pytest.mark.parametrize("dongle", FAMILIES, ids=str)
def test_without_redaction_the_log_of_a_port_has_the_network_key(
    dongle: Dongle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Redaction, "install", lambda _: None)
    text, secrets = logged(dongle, served_on_pty)
    lines = [line for line in text.splitlines() if line.startswith("serialx")]
    assert any(written_in(line, {"network key": secrets["network key"]}) for line in lines) == (
        # ASH hides the key behind a pseudo-random sequence that everybody knows.
        dongle.family == "znp"
    )
