"""The address table of an EZSP coordinator."""

from __future__ import annotations

from hanota.eui64 import Eui64
from hanota.radio.ezsp.address_table import AddressTable

DEVICES = [Eui64(bytes(7) + bytes((number,))) for number in range(4)]


def test_a_device_is_written_once_and_again_when_something_about_it_changed() -> None:
    table = AddressTable(2)
    assert table.place(DEVICES[0], 0x1000, sleepy=False) == 0
    assert table.place(DEVICES[0], 0x1000, sleepy=False) is None
    assert table.place(DEVICES[0], 0x2000, sleepy=False) == 0
    assert table.place(DEVICES[0], 0x2000, sleepy=True) == 0
    assert table.place(DEVICES[0], 0x2000, sleepy=True) is None


def test_the_device_used_longest_ago_gives_way_when_the_table_is_full() -> None:
    table = AddressTable(2)
    for number in (0, 1, 0):
        table.place(DEVICES[number], number, sleepy=False)
    assert table.place(DEVICES[2], 2, sleepy=False) == 1
    assert table.place(DEVICES[0], 0, sleepy=False) is None
    assert table.place(DEVICES[1], 1, sleepy=False) == 1


def test_a_device_that_the_coordinator_did_not_take_is_written_again() -> None:
    table = AddressTable(1)
    assert table.place(DEVICES[0], 0, sleepy=False) == 0
    table.forget(DEVICES[0])
    table.forget(DEVICES[1])
    assert table.place(DEVICES[0], 0, sleepy=False) == 0


def test_a_table_without_room_is_never_written() -> None:
    table = AddressTable(0)
    assert table.place(DEVICES[0], 0, sleepy=False) is None
