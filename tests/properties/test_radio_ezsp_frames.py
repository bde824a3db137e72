"""Whatever an EZSP coordinator sends, the host neither raises nor grows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bellows.ezsp.v13 import EZSPv13
from bellows.ezsp.v14 import EZSPv14
from hypothesis import given
from hypothesis import strategies as st

from hanota.radio.ezsp.data import DataFrames
from hanota.radio.ezsp.host import HanEzsp
from hanota.zse.fragmentation import FragmentationSettings

SETTINGS = FragmentationSettings(messages=4, octets=200)
PROTOCOLS = (EZSPv13, EZSPv14)
INCOMING_MESSAGE = b"\x00\x90\x01\x45\x00"
FRAGMENT = b"\x20\x80"

BLOCKS = st.builds(
    lambda head, group, counter, middle, data: (
        INCOMING_MESSAGE + b"\x00" + head + FRAGMENT + bytes(group) + bytes((counter,)) + middle + data
    ),
    st.binary(min_size=6, max_size=6),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.integers(0, 3),
    st.sampled_from((bytes(6), bytes(18))),
    st.binary(max_size=90).map(lambda data: bytes((len(data),)) + data),
)
FRAMES = st.lists(BLOCKS | st.binary(max_size=60) | st.binary(max_size=60).map(INCOMING_MESSAGE.__add__))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(FRAMES)
def test_whatever_frames_arrive_nothing_is_raised_and_memory_is_bounded(
    protocol: Any, frames: list[bytes]
) -> None:
    async def main() -> None:
        ezsp = HanEzsp(
            {},
            None,
            fragmentation=SETTINGS,
            refused=lambda *_: None,
            arrived=lambda _: True,
        )
        ezsp._protocol = protocol(ezsp.handle_callback, None)
        ezsp._ezsp_version = protocol.VERSION
        ezsp.data_frames = DataFrames(protocol.VERSION)
        for frame in frames:
            ezsp.frame_received(frame)
            assert len(ezsp.blocks.reassembly) <= SETTINGS.messages
            assert len(ezsp.blocks._tasks) <= SETTINGS.messages
        ezsp.blocks.stop()

    asyncio.run(main())
