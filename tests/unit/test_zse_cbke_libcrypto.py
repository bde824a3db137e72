"""libcrypto is taken where it agrees, left where anything is odd, and gives back what it borrows."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from hanota.errors import ConfigError
from hanota.zse.cbke import group as module
from hanota.zse.cbke import libcrypto
from hanota.zse.cbke.curves import SECT163K1, SECT283K1, Curve, Point
from hanota.zse.cbke.group import arithmetic, why_not_accelerated
from tests.cbke_support import needs_libcrypto

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def unloaded() -> Iterator[None]:
    """Let the test load libcrypto anew, and the next ones too."""
    cached: Any = vars(module)["_libcrypto"]
    cached.cache_clear()
    yield
    cached.cache_clear()


def test_the_best_arithmetic_is_libcryptos_where_it_can_be_used() -> None:
    assert arithmetic().accelerated is (why_not_accelerated() is None)
    assert not arithmetic(accelerated=False).accelerated


def test_without_libcrypto_plain_python_computes_and_says_why(
    monkeypatch: pytest.MonkeyPatch, unloaded: None
) -> None:
    monkeypatch.setattr(libcrypto, "LIBRARIES", ("libcrypto.so.none",))
    assert not arithmetic().accelerated
    assert why_not_accelerated() == "no libcrypto found (tried libcrypto.so.none)"
    with pytest.raises(ConfigError, match="no libcrypto found") as refused:
        arithmetic(accelerated=True)
    assert refused.value.hint


def test_a_libcrypto_without_the_curves_is_left(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    needs_libcrypto()
    vars(module)["_libcrypto"].cache_clear()
    unknown = replace(SECT163K1, name="sect162k9")
    monkeypatch.setattr(libcrypto, "CURVES", (SECT283K1, unknown))
    assert not arithmetic().accelerated
    assert why_not_accelerated() == "libcrypto is built without sect162k9"


def test_a_libcrypto_without_a_function_is_left(monkeypatch: pytest.MonkeyPatch, unloaded: None) -> None:
    needs_libcrypto()
    vars(module)["_libcrypto"].cache_clear()
    monkeypatch.setitem(libcrypto._SIGNATURES, "EC_POINT_divide", (None, ()))
    assert not arithmetic().accelerated
    assert why_not_accelerated() == "libcrypto has no EC_POINT_divide"


@pytest.mark.parametrize("curve", [SECT163K1, SECT283K1], ids=lambda curve: curve.name)
@pytest.mark.parametrize(
    ("method", "call"), [*(("multiply", call) for call in range(3)), ("decompress", 0), ("decompress", 1)]
)
def test_a_libcrypto_that_computes_otherwise_even_once_is_left(
    method: str, call: int, curve: Curve, monkeypatch: pytest.MonkeyPatch, unloaded: None
) -> None:
    needs_libcrypto()
    vars(module)["_libcrypto"].cache_clear()
    right = getattr(libcrypto.LibcryptoArithmetic, method)
    calls = count()

    def wrong(self: libcrypto.LibcryptoArithmetic, on: Curve, *arguments: Any) -> Point | None:
        found: Point | None = right(self, on, *arguments)
        return curve.generator if on is curve and next(calls) == call else found

    monkeypatch.setattr(libcrypto.LibcryptoArithmetic, method, wrong)
    assert not arithmetic().accelerated
    assert why_not_accelerated() == f"libcrypto computes {curve.name} otherwise than hanota"


class Counting:
    """A library that counts what is made and what is freed."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self.made: Counter[str] = Counter()
        self.freed: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        for end, counter, kind in (
            ("_new", self.made, name[:-4]),
            ("_clear_free", self.freed, name[:-11]),
            ("_free", self.freed, name[:-5]),
        ):
            if name.endswith(end):
                counter[kind] += 1
                break
        if name == "BN_bin2bn":
            self.made["BN"] += 1
        return getattr(self._library, name)


def test_everything_borrowed_from_libcrypto_is_given_back_also_after_a_failure() -> None:
    needs_libcrypto()
    found = libcrypto.load()
    counting = Counting(found._library)
    found._library = counting  # type: ignore[assignment]  # the library, and a count of it
    found.multiply(SECT163K1, 5, SECT163K1.generator)
    found.multiply(SECT163K1, SECT163K1.order, SECT163K1.generator)
    assert found.decompress(SECT283K1, SECT283K1.generator.x, 0)
    off_curve = next(x for x in range(2, 100) if SECT283K1.decompress(x, 0) is None)
    assert found.decompress(SECT283K1, off_curve, 0) is None
    with pytest.raises(libcrypto.UnavailableError):
        found.multiply(SECT163K1, 5, Point(2, 2))
    assert counting.made == {"BN_CTX": 5, "BN": 3, "EC_POINT": 8}
    assert counting.freed == counting.made


def test_threads_may_compute_at_the_same_time() -> None:
    needs_libcrypto()
    group = arithmetic(accelerated=True)
    scalars = [SECT283K1.order // divisor for divisor in range(2, 42)]
    alone = [group.multiply(SECT283K1, scalar, SECT283K1.generator) for scalar in scalars]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda scalar: group.multiply(SECT283K1, scalar, SECT283K1.generator), scalars)
        )
    assert together == alone
