"""How many key establishments a second one core computes, by suite, with and without libcrypto.

A handshake here is the hub's part: its ephemeral key, and everything up to both MACs.
"""

from __future__ import annotations

import time

import pytest

from hanota.zse.cbke import Role, Suite, ephemeral_key, establish, why_not_accelerated
from tests.cbke_support import entropy_of, needs_libcrypto, parties

ROUNDS = 7
LEAST_GAIN = 5
"""Libcrypto measures fifteen times faster and more; less than this, and Python computes a part again."""


def rate(suite: Suite, *, accelerated: bool) -> float:
    """return handshakes a second of processor time, of the quickest of some."""
    both, entropy = parties(suite), entropy_of("benchmark")
    quickest = float("inf")
    for _ in range(ROUNDS + 1):  # the first decodes the CA's public key, which is kept
        began = time.process_time()
        own = ephemeral_key(suite, entropy, accelerated=accelerated)
        establish(
            both.hub,
            Role.RESPONDER,
            own,
            both.device.certificate,
            both.device_ephemeral.public,
            accelerated=accelerated,
        )
        quickest = min(quickest, time.process_time() - began)
    return 1 / quickest


@pytest.mark.benchmark
def test_suite_1_is_faster_than_suite_2_in_plain_python() -> None:
    one, two = (rate(suite, accelerated=False) for suite in Suite)
    print(f"\nplain Python: suite 1 {one:.1f}/s, suite 2 {two:.1f}/s, ratio {one / two:.1f}")
    print(f"libcrypto: {why_not_accelerated() or 'in use'}")
    assert one > two


@pytest.mark.benchmark
@pytest.mark.parametrize("suite", list(Suite), ids=["suite 1", "suite 2"])
def test_libcrypto_is_several_times_faster_than_plain_python(suite: Suite) -> None:
    needs_libcrypto()
    plain, fast = (rate(suite, accelerated=way) for way in (False, True))
    print(f"\nsuite {suite.value}: {plain:.1f}/s plain, {fast:.1f}/s libcrypto, ratio {fast / plain:.1f}")
    assert fast > LEAST_GAIN * plain
