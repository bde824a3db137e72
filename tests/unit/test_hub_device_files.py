"""Device specific files are served over restarts, and go with the device's entry in the Device Log."""

from __future__ import annotations

import asyncio
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hanota.errors import LocalProtocolError, RemoteProtocolError, StoreError
from hanota.hub.events import EventKind
from hanota.hub.settings import HubSettings
from hanota.ota.build import build_tagged_image
from hanota.ota.commands import QueryDeviceSpecificFileRequest
from hanota.ota.elements import SubElement
from hanota.ota.fields import ImageId
from hanota.ota.header import OtaHeader
from hanota.ota.settings import OtaServerSettings
from hanota.store.store import SqliteStore
from tests.hub_parties_support import HCALCS, PPMID, STRANGER
from tests.hub_support import FullDisk, lab, virtual

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hub_support import Lab

PPMID_ID = PPMID.eui64
IMAGE = ImageId(0x121D, 0xFFC1, 7)


def file(version: int = 7, text: bytes = b"configuration") -> bytes:
    header = OtaHeader(0x121D, 0xFFC1, version, upgrade_file_destination=PPMID_ID)
    return build_tagged_image(header, [SubElement(0xF000, text)]).data


async def is_served(made: Lab, version: int = 7) -> bool:
    """Have the PPMID ask for its file and tell whether it was found, by the journal."""
    asked = len(made.of(EventKind.DEVICE_FILE_QUERIED))
    query = QueryDeviceSpecificFileRequest(PPMID_ID, replace(IMAGE, file_version=version), 2)
    made.ask(PPMID_ID, query, asked)
    await asyncio.sleep(1)
    return len(made.of(EventKind.DEVICE_FILE_QUERIED)) > asked


@virtual
async def test_a_device_specific_file_is_served_over_restarts_until_it_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    with closing(SqliteStore(path)) as store:
        async with lab(store=store) as made:
            made.hub.device_files.add(PPMID_ID, file(text=b"older"))
            made.hub.device_files.add(PPMID_ID, file())
            made.hub.device_files.add(PPMID_ID, file(8))
            assert await is_served(made)
    with closing(SqliteStore(path)) as store:
        assert [data for _, data in store.device_files()] == [file(), file(8)]
        async with lab(store=store) as made:
            assert await is_served(made)
            assert await is_served(made, 8)
            made.hub.device_files.remove(PPMID_ID)
            assert not await is_served(made)
    with closing(SqliteStore(path)) as store:
        async with lab(store=store) as made:
            assert not await is_served(made)


@virtual
async def test_the_files_of_a_device_that_is_removed_go_with_it() -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            made.hub.device_files.add(PPMID_ID, file())
            entry = next(entry for entry in made.hub.device_log if entry.device == PPMID_ID)
            made.hub.remove_device(PPMID_ID)
            await made.hub.add_device(entry, 60)
            assert not await is_served(made)
            assert store.device_files() == []


@virtual
async def test_what_is_no_such_file_or_for_no_device_of_the_log_is_refused() -> None:
    async with lab() as made:
        with pytest.raises(RemoteProtocolError):
            made.hub.device_files.add(PPMID_ID, b"no OTA file")
        with pytest.raises(LocalProtocolError, match="is not in the Device Log"):
            made.hub.device_files.add(STRANGER.eui64, file())


@virtual
async def test_a_file_too_many_is_refused_and_not_kept() -> None:
    settings = HubSettings(ota=OtaServerSettings(device_files=1))
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store, settings=settings) as made:
            made.hub.device_files.add(PPMID_ID, file())
            with pytest.raises(LocalProtocolError, match="1 device specific files are held already"):
                made.hub.device_files.add(PPMID_ID, file(8))
            assert await is_served(made)
            assert not await is_served(made, 8)
        assert [data for _, data in store.device_files()] == [file()]


@virtual
async def test_a_hub_whose_limit_is_lower_than_it_was_starts_without_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(SqliteStore(":memory:")) as store:
        async with lab(store=store) as made:
            made.hub.device_files.add(PPMID_ID, file())
            made.hub.device_files.add(HCALCS.eui64, file(8))
        async with lab(store=store, settings=HubSettings(ota=OtaServerSettings(device_files=1))):
            assert "is not served: 1 device specific files are held already" in caplog.text


@pytest.mark.parametrize("failing", ["INSERT INTO device_file", "COMMIT", None])
@virtual
async def test_where_the_store_fails_no_file_is_served(failing: str | None) -> None:
    with closing(FullDisk()) as store:
        async with lab(store=store) as made:
            store.failing = failing
            with pytest.raises(StoreError) if failing else nullcontext():
                made.hub.device_files.add(PPMID_ID, file())
            store.failing = None
            assert await is_served(made) is (failing is None)
