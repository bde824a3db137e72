"""Frames from devices, as zigpy's radio libraries hand them over: which are the hub's, which are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import zigpy.types as t
from hypothesis import given
from hypothesis import strategies as st

from hanota.radio.application import received_frame
from hanota.radio.inbound import Answer, Inbound
from hanota.radio.link_policy import LinkPolicy
from hanota.radio.peers import Peers
from hanota.radio.refusals import Refusals
from hanota.radio.settings import LinkSecurity, RadioSettings
from hanota.zcl import ClusterId, DefaultResponse, Direction, Status, ZclFrame
from tests.radio_support import EPOCH, HUB_ENDPOINT, PPMID, Listener

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.hub.ports import HanFrame
    from hanota.radio.frame import ReceivedFrame

NWK = 0x1234
OTA_QUERY = ZclFrame(7, 0x01, bytes(9), disable_default_response=False)


class Fixed:
    def now(self) -> float:
        return EPOCH


class Rig:
    """An Inbound with a joined PPMID, and what came of it."""

    def __init__(
        self,
        security: LinkSecurity = LinkSecurity.INSTALL_CODE,
        *,
        established: frozenset[Eui64] = frozenset(),
    ) -> None:
        self.listener = Listener()
        self.answers: list[Answer] = []
        self.unknown: list[int] = []
        self.key_establishment: list[tuple[Eui64, bytes]] = []
        self.peers = Peers()
        self.peers.place(PPMID, NWK)
        self.refusals = Refusals(self.listener, Fixed(), 1)
        self.inbound = Inbound(
            RadioSettings(),
            self.peers,
            Fixed(),
            policy=LinkPolicy(security, established=established),
            listener=self.listener,
            refusals=self.refusals,
            answer=self.answers.append,
            unknown_address=self.unknown.append,
            key_establishment=lambda device, data: self.key_establishment.append((device, data)),
        )

    @property
    def frames(self) -> list[HanFrame]:
        return self.listener.frames


def packet(data: bytes = OTA_QUERY.encode(), *, encrypted: bool = True, **changes: Any) -> ReceivedFrame:
    fields: dict[str, Any] = {
        "src": t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(NWK)),
        "src_ep": 5,
        "dst": t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(0)),
        "dst_ep": HUB_ENDPOINT,
        "profile_id": 0x0109,
        "cluster_id": ClusterId.OTA_UPGRADE,
        "data": t.SerializableBytes(data),
        "tx_options": t.TransmitOptions.APS_Encryption if encrypted else t.TransmitOptions.NONE,
        "lqi": t.uint8_t(200),
    }
    return received_frame(t.ZigbeePacket(**(fields | changes)))


@pytest.mark.parametrize("cluster", [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING])
def test_a_frame_on_a_cluster_of_the_hub_reaches_it_with_its_circumstances(cluster: int) -> None:
    rig = Rig()
    assert rig.inbound.take(packet(cluster_id=cluster))
    (frame,) = rig.frames
    assert (frame.device, frame.cluster, frame.data) == (PPMID, cluster, OTA_QUERY.encode())
    assert (frame.aps_encrypted, frame.at, frame.lqi, frame.rssi) == (True, EPOCH, 200, None)


@pytest.mark.parametrize(
    "foreign",
    [
        packet(ZclFrame(1, 0x01, b"", Direction.TO_CLIENT).encode(), cluster_id=ClusterId.BASIC),
        packet(cluster_id=ClusterId.METERING),
        packet(cluster_id=ClusterId.METERING, profile_id=0x0104, encrypted=False),
        packet(dst_ep=0, src_ep=0, profile_id=0, cluster_id=0x0019),
    ],
)
def test_everything_else_is_left_to_zigpy(foreign: t.ZigbeePacket) -> None:
    rig = Rig()
    assert not rig.inbound.take(foreign)
    assert rig.frames == []
    assert rig.listener.refused == []


@pytest.mark.parametrize(
    "cluster",
    [ClusterId.OTA_UPGRADE, ClusterId.TUNNELING, ClusterId.TIME, ClusterId.KEEP_ALIVE, ClusterId.METERING],
)
def test_unencrypted_frames_on_encrypted_clusters_are_refused_and_counted(cluster: int) -> None:
    rig = Rig()
    assert rig.inbound.take(packet(cluster_id=cluster, encrypted=False))
    assert rig.frames == []
    assert rig.listener.refused == [(PPMID, cluster, "sent without APS encryption")]
    assert rig.refusals.counts == {"sent without APS encryption": 1}


def test_an_unencrypted_command_that_asks_for_an_answer_is_told_not_authorized_under_the_link_key() -> None:
    rig = Rig()
    rig.inbound.take(packet(encrypted=False))
    (answer,) = rig.answers
    assert answer.encrypted
    response = ZclFrame.decode(answer.data)
    assert (response.sequence, response.is_default_response) == (7, True)
    assert DefaultResponse.decode(response.payload) == DefaultResponse(0x01, Status.NOT_AUTHORIZED)


@pytest.mark.parametrize(
    "quiet",
    [
        packet(OTA_QUERY.default_response(Status.FAILURE).encode(), encrypted=False),
        packet(replace(OTA_QUERY, disable_default_response=True).encode(), encrypted=False),
        packet(
            encrypted=False,
            dst=t.AddrModeAddress(addr_mode=t.AddrMode.Broadcast, address=t.BroadcastAddress.RX_ON_WHEN_IDLE),
        ),
        packet(b"\x01", encrypted=False),
    ],
    ids=["default response", "default response disabled", "broadcast", "malformed"],
)
def test_no_reply_storm_some_refusals_are_silent(quiet: t.ZigbeePacket) -> None:
    rig = Rig()
    rig.inbound.take(quiet)
    assert len(rig.listener.refused) == 1
    assert rig.answers == []


def test_key_establishment_is_taken_in_the_clear() -> None:
    rig = Rig()
    rig.inbound.take(packet(cluster_id=ClusterId.KEY_ESTABLISHMENT, encrypted=False))
    assert rig.key_establishment == [(PPMID, OTA_QUERY.encode())]


def test_encrypted_frames_count_only_of_a_device_whose_key_is_established() -> None:
    without = Rig(LinkSecurity.KEY_ESTABLISHMENT)
    without.inbound.take(packet())
    assert without.frames == []
    assert without.listener.refused == [
        (PPMID, ClusterId.OTA_UPGRADE, "encrypted without an established key")
    ]
    assert without.answers == []
    with_one = Rig(LinkSecurity.KEY_ESTABLISHMENT, established=frozenset({PPMID}))
    with_one.inbound.take(packet())
    assert len(with_one.frames) == 1


def test_a_bench_may_do_without_aps_encryption_by_one_setting() -> None:
    rig = Rig(LinkSecurity.NONE)
    rig.inbound.take(packet(encrypted=False))
    assert len(rig.frames) == 1


def test_an_insider_in_the_clear_does_not_move_a_devices_endpoint() -> None:
    rig = Rig()
    rig.inbound.take(packet())
    rig.inbound.take(packet(encrypted=False, src_ep=66))
    address = rig.peers.find(PPMID, ClusterId.OTA_UPGRADE)
    assert address is not None
    assert address.endpoint == 5


def test_a_frame_from_an_unknown_short_address_is_refused_and_its_owner_asked_for() -> None:
    rig = Rig()
    rig.inbound.take(packet(src=t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(0x9999))))
    assert rig.frames == []
    assert rig.unknown == [0x9999]
    assert rig.listener.refused == [(None, ClusterId.OTA_UPGRADE, "unknown short address 0x9999")]


def test_a_device_that_is_not_in_the_device_log_is_refused() -> None:
    rig = Rig()
    rig.listener.admitted.clear()
    rig.inbound.take(packet())
    assert rig.frames == []
    assert rig.listener.refused == [(PPMID, ClusterId.OTA_UPGRADE, "not in the Device Log")]


@pytest.mark.parametrize("stray", [packet(dst_ep=1), packet(profile_id=0x0104)])
def test_ota_on_another_endpoint_or_profile_reaches_neither_hub_nor_zigpy(stray: t.ZigbeePacket) -> None:
    rig = Rig()
    assert rig.inbound.take(stray)
    assert rig.frames == []
    assert len(rig.listener.refused) == 1


def test_time_is_answered_by_the_radio_itself_as_encrypted_as_it_was_asked() -> None:
    rig = Rig(LinkSecurity.NONE)
    read = ZclFrame(9, 0x00, b"\x00\x00", cluster_specific=False).encode()
    for encrypted in (True, False):
        rig.inbound.take(packet(read, cluster_id=ClusterId.TIME, encrypted=encrypted))
    assert rig.frames == []
    assert [answer.encrypted for answer in rig.answers] == [True, False]
    assert ZclFrame.decode(rig.answers[0].data).command == 0x01


@given(st.binary(max_size=100), st.sampled_from(list(ClusterId)), st.booleans(), st.integers(0, 0xFFFF))
def test_no_octets_from_the_air_raise_out_of_the_radio(
    data: bytes, cluster: int, encrypted: bool, nwk: int
) -> None:
    rig = Rig()
    source = t.AddrModeAddress(addr_mode=t.AddrMode.NWK, address=t.NWK(nwk))
    rig.inbound.take(packet(data, cluster_id=cluster, encrypted=encrypted, src=source))
    rig.inbound.take(packet(data, cluster_id=cluster, encrypted=encrypted))
