"""The responder's part of one exchange: what each event does in each state, all of it in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where the exchange with one device stands."""

    IDLE = "no exchange"
    INITIATED = "waiting for Ephemeral Data"
    COMPUTING = "computing the keys"
    EPHEMERAL_SENT = "waiting for Confirm Key"
    INSTALLING = "waiting for the key to be installed"
    WITHDRAWING = "given up while the key is being installed"
    CONFIRMING = "waiting for Confirm Key to be delivered"
    CONFIRMED = "established, Confirm Key may still be refused"

    @property
    def occupies(self) -> bool:
        """Tell whether it counts as an exchange under way."""
        return self not in (State.IDLE, State.CONFIRMED)


class Trigger(StrEnum):
    """What happens to an exchange."""

    INITIATE = "Initiate, acceptable"
    EPHEMERAL_DATA = "Ephemeral Data"
    CONFIRM_KEY = "Confirm Key"
    REFUSED = "a message or what was computed from it is refused"
    TERMINATE = "Terminate"
    COMPUTED = "the keys are computed"
    INSTALLED = "the key is installed"
    NOT_INSTALLED = "the key could not be installed"
    DELIVERED = "Confirm Key was delivered"
    UNDELIVERED = "Confirm Key was not delivered"
    TIMEOUT = "time ran out"
    FORGET = "the device is gone"


class Action(StrEnum):
    """What is done about it."""

    NOTHING = "nothing"
    BEGIN = "answer Initiate"
    COMPUTE = "have the keys computed"
    SEND_EPHEMERAL = "answer Ephemeral Data"
    INSTALL = "have the key installed"
    SEND_CONFIRM = "answer Confirm Key"
    REPORT = "report the key established"
    REFUSE = "send Terminate with the status of the refusal"
    OUT_OF_SEQUENCE = "send Terminate BAD_MESSAGE"
    NO_RESOURCES = "send Terminate NO_RESOURCES"


@dataclass(frozen=True, slots=True)
class Move:
    """One cell of the table."""

    state: State
    """The state after."""
    action: Action = Action.NOTHING
    fails: bool = False
    """Whether the exchange that was ends with this, and Failed tells so."""
    remove_key: bool = False
    """Whether a key may be in the stack that must go."""


_S, _T, _A = State, Trigger, Action


def _stay(state: State) -> dict[Trigger, Move]:
    return dict.fromkeys(_T, Move(state))


def _before_install(state: State) -> dict[Trigger, Move]:
    """Return what holds from Initiate until a key leaves the machine: a failure leaves nothing."""
    return {
        **_stay(state),
        _T.INITIATE: Move(_S.INITIATED, _A.BEGIN, fails=True),
        _T.EPHEMERAL_DATA: Move(_S.IDLE, _A.OUT_OF_SEQUENCE, fails=True),
        _T.CONFIRM_KEY: Move(_S.IDLE, _A.OUT_OF_SEQUENCE, fails=True),
        _T.REFUSED: Move(_S.IDLE, _A.REFUSE, fails=True),
        _T.TERMINATE: Move(_S.IDLE, fails=True),
        # The report of an installation given up long ago.
        _T.INSTALLED: Move(state, remove_key=True),
        _T.TIMEOUT: Move(_S.IDLE, fails=True),
        _T.FORGET: Move(_S.IDLE, fails=True),
    }


TABLE: Final[Mapping[State, Mapping[Trigger, Move]]] = {
    _S.IDLE: {
        **_stay(_S.IDLE),
        _T.INITIATE: Move(_S.INITIATED, _A.BEGIN),
        _T.EPHEMERAL_DATA: Move(_S.IDLE, _A.OUT_OF_SEQUENCE),
        _T.CONFIRM_KEY: Move(_S.IDLE, _A.OUT_OF_SEQUENCE),
        _T.REFUSED: Move(_S.IDLE, _A.REFUSE, fails=True),
        _T.INSTALLED: Move(_S.IDLE, remove_key=True),
    },
    _S.INITIATED: {
        **_before_install(_S.INITIATED),
        _T.EPHEMERAL_DATA: Move(_S.COMPUTING, _A.COMPUTE),
    },
    _S.COMPUTING: {
        **_before_install(_S.COMPUTING),
        _T.COMPUTED: Move(_S.EPHEMERAL_SENT, _A.SEND_EPHEMERAL),
        # Here it is our time that ran out, which the device cannot know.
        _T.TIMEOUT: Move(_S.IDLE, _A.NO_RESOURCES, fails=True),
    },
    _S.EPHEMERAL_SENT: {
        **_before_install(_S.EPHEMERAL_SENT),
        _T.CONFIRM_KEY: Move(_S.INSTALLING, _A.INSTALL),
    },
    # An installation cannot be called off: until its end is told no other of this device may begin, because
    # the two reports could not be told apart.
    _S.INSTALLING: {
        **_stay(_S.INSTALLING),
        _T.INITIATE: Move(_S.WITHDRAWING, _A.NO_RESOURCES, fails=True),
        _T.EPHEMERAL_DATA: Move(_S.WITHDRAWING, _A.OUT_OF_SEQUENCE, fails=True),
        _T.CONFIRM_KEY: Move(_S.WITHDRAWING, _A.OUT_OF_SEQUENCE, fails=True),
        _T.REFUSED: Move(_S.WITHDRAWING, _A.REFUSE, fails=True),
        _T.TERMINATE: Move(_S.WITHDRAWING, fails=True),
        _T.INSTALLED: Move(_S.CONFIRMING, _A.SEND_CONFIRM),
        _T.NOT_INSTALLED: Move(_S.IDLE, _A.NO_RESOURCES, fails=True),
        _T.TIMEOUT: Move(_S.WITHDRAWING, _A.NO_RESOURCES, fails=True, remove_key=True),
        _T.FORGET: Move(_S.WITHDRAWING, fails=True, remove_key=True),
    },
    _S.WITHDRAWING: {
        **_stay(_S.WITHDRAWING),
        _T.INITIATE: Move(_S.WITHDRAWING, _A.NO_RESOURCES),
        _T.EPHEMERAL_DATA: Move(_S.WITHDRAWING, _A.OUT_OF_SEQUENCE),
        _T.CONFIRM_KEY: Move(_S.WITHDRAWING, _A.OUT_OF_SEQUENCE),
        _T.REFUSED: Move(_S.WITHDRAWING, _A.REFUSE),
        _T.INSTALLED: Move(_S.IDLE, remove_key=True),
        _T.NOT_INSTALLED: Move(_S.IDLE),
        _T.TIMEOUT: Move(_S.IDLE, remove_key=True),
    },
    _S.CONFIRMING: {
        **_stay(_S.CONFIRMING),
        _T.INITIATE: Move(_S.INITIATED, _A.BEGIN, fails=True, remove_key=True),
        _T.EPHEMERAL_DATA: Move(_S.IDLE, _A.OUT_OF_SEQUENCE, fails=True, remove_key=True),
        _T.CONFIRM_KEY: Move(_S.IDLE, _A.OUT_OF_SEQUENCE, fails=True, remove_key=True),
        _T.REFUSED: Move(_S.IDLE, _A.REFUSE, fails=True, remove_key=True),
        _T.TERMINATE: Move(_S.IDLE, fails=True, remove_key=True),
        _T.DELIVERED: Move(_S.CONFIRMED, _A.REPORT),
        _T.UNDELIVERED: Move(_S.IDLE, fails=True, remove_key=True),
        _T.TIMEOUT: Move(_S.IDLE, fails=True, remove_key=True),
        _T.FORGET: Move(_S.IDLE, fails=True, remove_key=True),
    },
    # Only the initiator's refusal takes an established key away; stray messages, which anybody on the network
    # can send, do not.
    _S.CONFIRMED: {
        **_stay(_S.CONFIRMED),
        _T.INITIATE: Move(_S.INITIATED, _A.BEGIN),
        _T.EPHEMERAL_DATA: Move(_S.CONFIRMED, _A.OUT_OF_SEQUENCE),
        _T.CONFIRM_KEY: Move(_S.CONFIRMED, _A.OUT_OF_SEQUENCE),
        _T.REFUSED: Move(_S.CONFIRMED, _A.REFUSE),
        _T.TERMINATE: Move(_S.IDLE, fails=True, remove_key=True),
        _T.TIMEOUT: Move(_S.IDLE),
        _T.FORGET: Move(_S.IDLE),
    },
}
"""The whole of it; a test walks every pair."""
