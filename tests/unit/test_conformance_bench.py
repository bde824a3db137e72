"""What a run on metal is made of: keys by bench file or lab, the maker's images, power and consoles."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from hanota.bench.bench_file import Bench
from hanota.bench.errors import BenchError
from hanota.bench.power import ManualPower
from hanota.conformance.drivers import opened
from hanota.conformance.errors import NotApplicableError
from hanota.conformance.images import MadeImages, read_images
from hanota.conformance.keys import keys_of_bench
from hanota.daemon.lab import Lab
from hanota.emulator.devices.seal import is_whole, sealed
from hanota.errors import ConfigError
from hanota.eui64 import Eui64
from hanota.gbcs.certificates import RemotePartyRole
from hanota.gbcs.lab_ca import LabCa
from hanota.gbcs.reference_test_data import BROKER, SUPPLIER
from hanota.hub.jobs import JobKind

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000.0
HUB = Eui64.parse("00-DB-12-34-56-78-90-A2")
PPMID = Eui64.parse("00-DB-12-34-56-78-90-A4")
PLAIN = {"url": "znp:///dev/ttyUSB0", "link_security": "none"}


def bench(**tables: object) -> Bench:
    return Bench.model_validate(tables)


def device(**entries: object) -> dict[str, object]:
    return {
        "type": "ppmid",
        "eui64": str(PPMID),
        "install_code": "4CB189C98180D60874449EE76EB987458DEA",
        **entries,
    }


def remote_parties(folder: Path) -> LabCa:
    ca = LabCa(NOW)
    folder.mkdir()
    ca.issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "Supplier").save(folder)
    ca.issue_organisation(BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER, "ACB").save(folder)
    return ca


def test_a_lab_has_everybodys_keys_wherever_it_is_named(tmp_path: Path) -> None:
    lab = Lab.at(tmp_path / "lab")
    for given in (
        keys_of_bench(bench(device={"ppmid": device()}), tmp_path / "lab", HUB, NOW),
        keys_of_bench(bench(device={"ppmid": device()}, keystore=str(tmp_path / "lab")), None, HUB, NOW),
    ):
        assert (given.hub.supplier, given.hub.broker) == (SUPPLIER, BROKER)
        assert given.site is not None
        assert given.site.subject == HUB
        own = lab.device(PPMID).signing_certificate.public_key
        assert own in given.hub.dcc.signing_public_keys(PPMID)
        assert given.hub.hub.eui64 == HUB


def test_a_bench_of_plain_key_stores_plays_supplier_and_broker_and_signs_for_the_hub(tmp_path: Path) -> None:
    ca = remote_parties(tmp_path / "remote")
    own = ca.issue_device(PPMID)
    (tmp_path / "ppmid").mkdir()
    own.save(tmp_path / "ppmid")
    entries = device(keystore=str(tmp_path / "ppmid"))
    given = keys_of_bench(
        bench(device={"ppmid": entries}, keystore=str(tmp_path / "remote"), radio=PLAIN), None, HUB, NOW
    )
    assert given.site is None
    assert given.hub.dcc.signing_public_keys(PPMID) == (own.signing_certificate.public_key,)
    assert given.hub.dcc.signing_public_keys(HUB)
    assert given.hub.signer is not None


def test_what_a_bench_has_no_keys_for_is_told_with_the_key_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="supplier and access control broker are not known"):
        keys_of_bench(bench(), None, HUB, NOW)
    remote_parties(tmp_path / "remote")
    with pytest.raises(ConfigError, match="no credentials for key establishment") as caught:
        keys_of_bench(bench(keystore=str(tmp_path / "remote")), None, HUB, NOW)
    assert "radio.credentials" in str(caught.value.hint)
    LabCa(NOW).issue_organisation(
        Eui64.parse("90-B3-D5-1F-30-01-00-09"), RemotePartyRole.SUPPLIER, "Another"
    ).save(tmp_path / "remote")
    with pytest.raises(ConfigError, match="more or less than one supplier"):
        keys_of_bench(bench(keystore=str(tmp_path / "remote"), radio=PLAIN), None, HUB, NOW)


def test_the_makers_images_are_read_by_version_and_a_bad_file_is_named(tmp_path: Path) -> None:
    key = LabCa(NOW, seed=b"x").issue_organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "S").signing_key
    made = MadeImages(JobKind.HCALCS, 0x121D, 0x000D, key, size=500, seed=1)
    first, second = made.above(7), made.above(0)
    assert (first.header.file_version, second.header.file_version) == (8, 9)
    paths = [tmp_path / "second.ota", tmp_path / "first.ota"]
    for path, file in zip(paths, (second, first), strict=True):
        path.write_bytes(file.data)
    images = read_images(paths, JobKind.HCALCS)
    assert [images.above(version).header.file_version for version in (0, 7, 8)] == [8, 8, 9]
    with pytest.raises(NotApplicableError, match="no image has a version above 00000009"):
        images.above(9)
    (tmp_path / "bad.ota").write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"image .*bad\.ota"):
        read_images([tmp_path / "bad.ota"], JobKind.PPMID)
    with pytest.raises(ConfigError, match=r"image .*nowhere\.ota"):
        read_images([tmp_path / "nowhere.ota"], JobKind.PPMID)


def test_a_sealed_image_shows_any_octet_that_was_altered_and_others_pass() -> None:
    image = sealed(bytes(200))
    assert len(image) == 200
    assert is_whole(image)
    for position in (16, 100, 199):
        altered = bytearray(image)
        altered[position] ^= 1
        assert not is_whole(bytes(altered))
    assert is_whole(bytes(200))


def test_a_person_switches_only_where_there_is_one_to_be_asked(tmp_path: Path) -> None:
    listed = bench(device={"ppmid": device(power={"driver": "manual"}), "bare": device()})
    asked: list[str] = []

    async def prompt(text: str) -> None:
        asked.append(text)

    async def main() -> None:
        async with opened(listed, prompt=None, artifacts=None, stamp=str) as drivers:
            assert drivers.power == {}
        async with opened(listed, prompt=prompt, artifacts=tmp_path, stamp=str) as drivers:
            assert isinstance(drivers.power["ppmid"], ManualPower)
            assert "bare" not in drivers.power
            await drivers.power["ppmid"].off()

    asyncio.run(main())
    assert asked == ["Switch ppmid OFF"]


def test_a_relay_that_is_not_there_breaks_the_bench_before_a_case_begins(tmp_path: Path) -> None:
    power = {"driver": "relay", "port": str(tmp_path / "relay"), "channel": 1}
    listed = bench(device={"ppmid": device(power=power)})

    async def main() -> None:
        async with opened(listed, prompt=None, artifacts=None, stamp=str):
            pass

    with pytest.raises(BenchError, match="cannot open"):
        asyncio.run(main())
