"""The initiator's part of an exchange: what each event does in each state, all of it in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where the exchange stands."""

    IDLE = "no exchange"
    INITIATING = "waiting for the answer to Initiate"
    GENERATING = "making the ephemeral key"
    EPHEMERAL_SENT = "waiting for the answer to Ephemeral Data"
    COMPUTING = "computing the keys"
    CONFIRMING = "waiting for the answer to Confirm Key"


class Trigger(StrEnum):
    """What happens to the exchange."""

    START = "told to begin"
    INITIATE = "Initiate Response, acceptable"
    EPHEMERAL_DATA = "Ephemeral Data Response"
    CONFIRM_KEY = "Confirm Key Response with the right MAC"
    REFUSED = "a message or what was computed from it is refused"
    TERMINATE = "Terminate, or the request was refused by Default Response"
    COMPUTED = "what was to be computed is"
    TIMEOUT = "time ran out"


class Action(StrEnum):
    """What is done about it."""

    NOTHING = "nothing"
    SEND_INITIATE = "send Initiate"
    GENERATE = "have the ephemeral key made"
    SEND_EPHEMERAL = "send Ephemeral Data"
    COMPUTE = "have the keys computed"
    SEND_CONFIRM = "send Confirm Key"
    REPORT = "report the key established"
    REFUSE = "send Terminate with the status of the refusal"
    OUT_OF_SEQUENCE = "send Terminate BAD_MESSAGE"


@dataclass(frozen=True, slots=True)
class Move:
    """One cell of the table."""

    state: State
    """The state after."""
    action: Action = Action.NOTHING
    fails: bool = False
    """Whether the exchange ends with this, and ClientFailed tells so."""


_S, _T, _A = State, Trigger, Action


def _under_way(state: State) -> dict[Trigger, Move]:
    out_of_sequence = Move(_S.IDLE, _A.OUT_OF_SEQUENCE, fails=True)
    return {
        _T.START: Move(_S.INITIATING, _A.SEND_INITIATE, fails=True),
        _T.INITIATE: out_of_sequence,
        _T.EPHEMERAL_DATA: out_of_sequence,
        _T.CONFIRM_KEY: out_of_sequence,
        _T.REFUSED: Move(_S.IDLE, _A.REFUSE, fails=True),
        _T.TERMINATE: Move(_S.IDLE, fails=True),
        _T.COMPUTED: Move(state),
        # The server is told, so that it need not wait for what does not come any more.
        _T.TIMEOUT: out_of_sequence,
    }


TABLE: Final[Mapping[State, Mapping[Trigger, Move]]] = {
    _S.IDLE: {**dict.fromkeys(_T, Move(_S.IDLE)), _T.START: Move(_S.INITIATING, _A.SEND_INITIATE)},
    _S.INITIATING: {**_under_way(_S.INITIATING), _T.INITIATE: Move(_S.GENERATING, _A.GENERATE)},
    _S.GENERATING: {**_under_way(_S.GENERATING), _T.COMPUTED: Move(_S.EPHEMERAL_SENT, _A.SEND_EPHEMERAL)},
    _S.EPHEMERAL_SENT: {**_under_way(_S.EPHEMERAL_SENT), _T.EPHEMERAL_DATA: Move(_S.COMPUTING, _A.COMPUTE)},
    _S.COMPUTING: {**_under_way(_S.COMPUTING), _T.COMPUTED: Move(_S.CONFIRMING, _A.SEND_CONFIRM)},
    _S.CONFIRMING: {**_under_way(_S.CONFIRMING), _T.CONFIRM_KEY: Move(_S.IDLE, _A.REPORT)},
}
"""The whole of it; a test walks every pair."""
