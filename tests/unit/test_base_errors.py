"""The error tree: a caller tells faults apart by type, and finds the wire status and the hint on them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.errors import NoResponseError, RequestRejectedError
from hanota.duis.response_code import ResponseCode
from hanota.errors import (
    ConfigError,
    DeliveryError,
    HanotaError,
    LocalProtocolError,
    ProtocolError,
    RadioError,
    RemoteProtocolError,
    StoreError,
    UnverifiableError,
    VerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    "error",
    [
        ConfigError,
        DeliveryError,
        LocalProtocolError,
        NoResponseError,
        RadioError,
        RemoteProtocolError,
        partial(RequestRejectedError, code=ResponseCode.E19),
        StoreError,
        UnverifiableError,
        VerificationError,
    ],
)
def test_whatever_hanota_raises_is_caught_as_one_and_tells_what_to_do(
    error: Callable[..., HanotaError],
) -> None:
    with pytest.raises(HanotaError, match="it broke") as caught:
        raise error("it broke", hint="mend it")
    assert caught.value.hint == "mend it"


def test_whose_fault_it_is_stands_in_the_type() -> None:
    assert issubclass(RemoteProtocolError, ProtocolError)
    assert not issubclass(LocalProtocolError, RemoteProtocolError)
    assert issubclass(VerificationError, RemoteProtocolError)
    # A key that is missing proves nothing against the peer.
    assert not issubclass(UnverifiableError, ProtocolError)
    # One device out of reach is no lost coordinator, but who waits for the radio hears of both.
    assert issubclass(DeliveryError, RadioError)


def test_a_protocol_error_carries_the_status_for_the_wire() -> None:
    assert RemoteProtocolError("too short", status=0x80).status == 0x80
    assert RemoteProtocolError("too short").status is None
