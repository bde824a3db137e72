"""The session table of the Upgrade Server, pair by pair."""

from __future__ import annotations

import pytest

from hanota.ota.session import LIVE, TRANSITIONS, SessionState, Trigger

S, T = SessionState, Trigger

ENDS = {
    T.QUERY_REFUSED: S.REFUSED,
    T.QUERY_OF_INSTALLED: S.INSTALLED,
    T.UPGRADE_END_FAILURE: S.FAILED,
    T.TIME_OUT: S.EXPIRED,
    T.WITHDRAW: S.WITHDRAWN,
}
AFTER = {T.QUERY_OF_INSTALLED: S.INSTALLED, T.WITHDRAW: S.WITHDRAWN}
EXPECTED = {
    S.OFFERED: ENDS
    | {T.QUERY_ANSWERED: S.QUERIED, T.BLOCK_SERVED: S.TRANSFERRING, T.LAST_BLOCK_SERVED: S.TRANSFERRED}
    | {T.LAST_BLOCK_HELD: S.HELD},
    S.QUERIED: ENDS
    | {T.QUERY_ANSWERED: S.QUERIED, T.BLOCK_SERVED: S.TRANSFERRING, T.LAST_BLOCK_SERVED: S.TRANSFERRED}
    | {T.LAST_BLOCK_HELD: S.HELD},
    S.TRANSFERRING: ENDS
    | {T.QUERY_ANSWERED: S.TRANSFERRING, T.BLOCK_SERVED: S.TRANSFERRING, T.LAST_BLOCK_SERVED: S.TRANSFERRED}
    | {T.LAST_BLOCK_HELD: S.HELD},
    S.HELD: ENDS
    | {T.QUERY_ANSWERED: S.HELD, T.BLOCK_SERVED: S.TRANSFERRING, T.LAST_BLOCK_SERVED: S.TRANSFERRED}
    | {T.LAST_BLOCK_HELD: S.HELD},
    S.TRANSFERRED: ENDS
    | {T.QUERY_ANSWERED: S.TRANSFERRED, T.BLOCK_SERVED: S.TRANSFERRED, T.LAST_BLOCK_SERVED: S.TRANSFERRED}
    | {T.UPGRADE_END_SUCCESS: S.COMPLETE},
    S.COMPLETE: AFTER
    | {T.BLOCK_SERVED: S.COMPLETE, T.LAST_BLOCK_SERVED: S.COMPLETE}
    | {T.UPGRADE_END_SUCCESS: S.COMPLETE, T.UPGRADE_END_FAILURE: S.FAILED},
    S.INSTALLED: AFTER,
    S.REFUSED: AFTER,
    S.FAILED: AFTER | {T.UPGRADE_END_FAILURE: S.FAILED},
    S.EXPIRED: AFTER,
    S.WITHDRAWN: AFTER,
}


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", SessionState)
def test_every_pair_of_state_and_trigger_does_what_is_written_here(
    state: SessionState, trigger: Trigger
) -> None:
    assert TRANSITIONS[state].get(trigger) is EXPECTED[state].get(trigger)


def test_an_image_is_complete_only_after_its_last_block_was_served() -> None:
    before_complete = {state for state, row in TRANSITIONS.items() if S.COMPLETE in row.values()} - {
        S.COMPLETE
    }
    before_transferred = {
        trigger
        for row in TRANSITIONS.values()
        for trigger, to in row.items()
        if to is S.TRANSFERRED and row is not TRANSITIONS[S.TRANSFERRED]
    }
    assert before_complete == {S.TRANSFERRED}
    assert before_transferred == {T.LAST_BLOCK_SERVED}


def test_a_session_that_has_ended_never_lives_again() -> None:
    for state in set(SessionState) - LIVE:
        assert not LIVE & set(TRANSITIONS[state].values())
