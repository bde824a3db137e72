"""What hanota reads and writes past the radio libraries' codecs is what those read and write."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import bellows.types as ember
import pytest
import zigpy_znp.commands as c
import zigpy_znp.types as znp_t
from bellows.ash import AshProtocol, DataFrame
from hypothesis import given
from hypothesis import strategies as st
from zigpy_znp.frames import TransportFrame
from zigpy_znp.uart import ZnpMtProtocol

from hanota.radio.ezsp.ash import FastAsh, FastDataFrame
from hanota.radio.ezsp.data import ApsHeader, DataFrames
from hanota.radio.znp.data import MtProtocol, data_request_ext

OCTET, WORD = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
VERSIONS = (13, 14)


@given(WORD, OCTET, OCTET, WORD, OCTET, OCTET, OCTET, st.binary(max_size=220))
def test_a_data_request_is_written_as_zigpy_znp_writes_it(
    nwk: int, endpoint: int, source: int, cluster: int, tsn: int, options: int, radius: int, data: bytes
) -> None:
    request = c.AF.DataRequestExt.Req(
        DstAddrModeAddress=znp_t.AddrModeAddress(mode=znp_t.AddrMode.NWK, address=znp_t.NWK(nwk)),
        DstEndpoint=endpoint,
        DstPanId=0,
        SrcEndpoint=source,
        ClusterId=cluster,
        TSN=tsn,
        Options=c.af.TransmitOptions(options),
        Radius=radius,
        Data=znp_t.LongBytes(data),
    )
    assert (
        data_request_ext(
            nwk=nwk,
            endpoint=endpoint,
            source_endpoint=source,
            cluster=cluster,
            sequence=tsn,
            options=options,
            radius=radius,
            data=data,
        )
        == TransportFrame(request.to_frame()).serialize()
    )


class _Api:
    def __init__(self) -> None:
        self.frames: list[Any] = []

    def frame_received(self, frame: Any) -> None:
        self.frames.append(frame)


@given(
    st.lists(st.binary(max_size=12), max_size=6),
    st.integers(1, 9),
)
def test_a_stream_is_cut_into_the_frames_that_zigpy_znp_cuts_it_into(chunks: list[bytes], size: int) -> None:
    stream = b"".join(
        chunk if index % 2 else TransportFrame(c.SYS.Ping.Req().to_frame()).serialize()
        for index, chunk in enumerate(chunks)
    )

    async def main() -> None:
        theirs, ours = _Api(), _Api()
        stock, fast = ZnpMtProtocol(theirs), MtProtocol(ours, "", lambda *_: False)
        for start in range(0, len(stream), size):
            stock.data_received(stream[start : start + size])
            fast.data_received(stream[start : start + size])
        assert ours.frames == theirs.frames

    asyncio.run(main())


@pytest.mark.parametrize("version", VERSIONS)
@given(WORD, WORD, OCTET, OCTET, WORD, WORD, OCTET, OCTET, st.binary(max_size=90))
def test_a_unicast_is_written_as_bellows_writes_it(
    version: int,
    profile: int,
    cluster: int,
    source: int,
    endpoint: int,
    options: int,
    group: int,
    sequence: int,
    tag: int,
    data: bytes,
) -> None:
    protocol = getattr(importlib.import_module(f"bellows.ezsp.v{version}"), f"EZSPv{version}")(None, None)
    aps = ember.EmberApsFrame(
        profileId=profile,
        clusterId=cluster,
        sourceEndpoint=source,
        destinationEndpoint=endpoint,
        options=ember.EmberApsOption(options),
        groupId=group,
        sequence=sequence,
    )
    direct = ember.EmberOutgoingMessageType.OUTGOING_DIRECT
    stock = protocol._ezsp_frame("sendUnicast", direct, 0x1234, aps, tag, data)
    header = ApsHeader(profile, cluster, source, endpoint, options, group, sequence)
    assert DataFrames(version).send_unicast(protocol._seq, 0x1234, header, tag, data) == stock


@pytest.mark.parametrize("version", VERSIONS)
@given(WORD, WORD, OCTET, st.sampled_from((0x0000, 0x0020, 0x0140)), OCTET, st.binary(max_size=90))
def test_an_incoming_message_is_read_as_bellows_reads_it(
    version: int, profile: int, cluster: int, endpoint: int, options: int, lqi: int, data: bytes
) -> None:
    protocol = getattr(importlib.import_module(f"bellows.ezsp.v{version}"), f"EZSPv{version}")(None, None)
    aps = ember.EmberApsFrame(profile, cluster, 5, endpoint, ember.EmberApsOption(options), 0, 9)
    values = {
        "type": 0,
        "message_type": 0,
        "apsFrame": aps,
        "aps_frame": aps,
        "lastHopLqi": lqi,
        "lqi": lqi,
        "lastHopRssi": -40,
        "rssi": -40,
        "sender": 0x4321,
        "nwk": 0x4321,
        "messageContents": data,
        "message": data,
        "eui64": ember.EUI64(bytes(8)),
    }
    schema = protocol.COMMANDS["incomingMessageHandler"][2]
    body = b"".join(kind(values.get(name, 0)).serialize() for name, kind in schema.items())
    received = DataFrames(version).incoming(body)
    assert received is not None
    assert (received.profile, received.cluster, received.source_endpoint) == (profile, cluster, 5)
    assert (received.nwk, received.endpoint, received.data) == (0x4321, endpoint, data)
    assert (received.lqi, received.rssi, received.encrypted) == (lqi, -40, bool(options & 0x20))


class _Ezsp:
    def __init__(self) -> None:
        self.told: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append(
            (name, *map(bytes, arguments[:1] if name == "data_received" else ()))
        )


class _Port:
    def __init__(self) -> None:
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def set_protocol(self, _: object) -> None: ...


_FRAMES = st.builds(
    lambda number, again, payload: (
        AshProtocol._stuff_bytes(
            DataFrame(frm_num=number, re_tx=again, ack_num=0, ezsp_frame=payload).to_bytes()
        )
        + b"\x7e"
    ),
    st.integers(0, 2),
    st.booleans(),
    st.binary(max_size=90),
)


@given(st.lists(_FRAMES | st.binary(max_size=8), max_size=6), st.integers(1, 200))
def test_ash_does_with_any_octets_what_bellows_does(chunks: list[bytes], size: int) -> None:
    stream = b"".join(chunks)

    async def main() -> None:
        outcomes = []
        for fast in (False, True):
            ezsp, port = _Ezsp(), _Port()
            ash = AshProtocol(ezsp)
            ash._transport = port
            if fast:
                ash = FastAsh.in_place_of(ash)
            for start in range(0, len(stream), size):
                ash.data_received(stream[start : start + size])
            outcomes.append((ezsp.told, port.written))
        assert outcomes[0] == outcomes[1]

    asyncio.run(main())


@given(st.binary(max_size=256))
def test_a_data_frame_is_written_as_bellows_writes_it(data: bytes) -> None:
    stock = DataFrame(frm_num=3, re_tx=False, ack_num=5, ezsp_frame=data)
    ours = FastDataFrame(frm_num=3, re_tx=False, ack_num=5, ezsp_frame=data)
    assert FastAsh._stuff_bytes(ours.to_bytes()) == AshProtocol._stuff_bytes(stock.to_bytes())
