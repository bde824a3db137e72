"""The DCC's rows: what was written is read again, after a restart too; an altered row is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from hanota.dcc.ports import CommandState, HandledRequest
from hanota.duis.request import CommandVariant, RequestId, ServiceReference
from hanota.errors import StoreError
from hanota.store.dcc_store import SqliteDccStore
from hanota.store.store import SqliteStore
from tests.hub_parties_support import BROKER, EPOCH, HCALCS, OTHER_SUPPLIER, SUPPLIER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hanota.dcc.ports import StoredCommand

USER, OTHER = SUPPLIER.eui64, OTHER_SUPPLIER.eui64
REQUEST_ID = RequestId(USER, HCALCS.eui64, 2**62)
READ, ACTIVATE = ServiceReference.READ_FIRMWARE_VERSION, ServiceReference.ACTIVATE_FIRMWARE
REQUEST = HandledRequest(
    REQUEST_ID, ACTIVATE, CommandVariant.PRE_COMMAND, USER, bytes(32), EPOCH, b"<answer/>"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteDccStore]:
    with closing(SqliteStore(path)) as opened:
        yield SqliteDccStore(opened.database)


def stored_commands(path: Path) -> Sequence[StoredCommand]:
    """Return the commands as another process finds them."""
    with closing(SqliteStore(path)) as opened:
        return SqliteDccStore(opened.database).commands()


def test_a_request_is_known_by_all_that_it_is_known_by(store: SqliteDccStore) -> None:
    requests = [
        REQUEST,
        HandledRequest(
            REQUEST_ID, ACTIVATE, CommandVariant.SIGNED_PRE_COMMAND, None, b"1" * 32, EPOCH, b"<second/>"
        ),
        HandledRequest(
            RequestId(USER, BROKER.eui64, REQUEST_ID.counter),
            ServiceReference.READ_INVENTORY,
            CommandVariant.DCC_ONLY,
            USER,
            b"2" * 32,
            EPOCH,
            b"<third/>",
        ),
    ]
    for request in requests:
        store.add_request(request)
    key = [(each.request_id.target, each.command_variant) for each in requests]
    found = store.requests(USER, REQUEST_ID.counter)
    assert (
        sorted(found, key=lambda each: key.index((each.request_id.target, each.command_variant))) == requests
    )
    assert store.requests(OTHER, REQUEST_ID.counter) == store.requests(USER, 1) == []
    with pytest.raises(StoreError):
        store.add_request(REQUEST)


def test_a_request_keeps_its_answer_out_of_logs() -> None:
    assert "answer" not in repr(REQUEST)


def test_the_newest_pre_commands_are_kept_and_each_is_used_up_once(store: SqliteDccStore) -> None:
    digests = [bytes([number]) * 32 for number in range(5)]
    for digest in (*digests, digests[4]):
        store.add_pre_command(digest, REQUEST_ID, EPOCH, keep=3)
    assert [store.has_pre_command(digest) for digest in digests] == [False, False, True, True, True]
    store.remove_pre_command(digests[3])
    assert not store.has_pre_command(digests[3])


def test_a_command_goes_from_sent_to_delivered_to_accepted_over_restarts(
    store: SqliteDccStore, path: Path
) -> None:
    first = store.add_command(REQUEST_ID, ACTIVATE, b"\xdd\x01", EPOCH + 600)
    second = store.add_command(REQUEST_ID, READ, b"\xdd\x02", EPOCH + 600)
    assert first.state is CommandState.SENT
    for state in (CommandState.DELIVERED, CommandState.ACCEPTED):
        changed = type(first)(first.id, REQUEST_ID, ACTIVATE, first.octets, state, EPOCH + 900)
        store.update_command(changed)
        assert stored_commands(path) == [changed, second]
    store.remove_command(first)
    assert stored_commands(path) == [second]


def test_documents_of_each_user_keep_their_order_and_a_number_is_given_once(store: SqliteDccStore) -> None:
    made = [
        store.add_outgoing(user, bytes([number]), EPOCH) for number, user in enumerate((USER, OTHER, USER))
    ]
    assert store.outgoing(USER, 9) == [made[0], made[2]]
    assert store.outgoing(USER) == [made[0]]
    assert store.outgoing(USER, -1) == []
    assert set(store.outgoing_users()) == {USER, OTHER}
    assert (store.outgoing_count(), store.outgoing_count(USER), store.outgoing_count(OTHER)) == (3, 2, 1)
    store.delivered(made[2].seq)
    assert store.add_outgoing(USER, b"new", EPOCH).seq > made[2].seq


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("command", "state", "lost"),
        ("command", "request_id", "nobody"),
        ("handled_request", "service_reference", "99.9"),
        ("handled_request", "command_variant", 77),
    ],
)
def test_a_row_that_was_altered_is_a_store_error(
    store: SqliteDccStore, path: Path, table: str, column: str, value: object
) -> None:
    store.add_command(REQUEST_ID, ACTIVATE, b"\xdd\x01", EPOCH)
    store.add_request(REQUEST)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"UPDATE {table} SET {column} = ?", (value,))
    with pytest.raises(StoreError, match="cannot be read"):
        store.commands() if table == "command" else store.requests(USER, REQUEST_ID.counter)
