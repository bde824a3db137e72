"""Where handshakes are computed: in threads or in a process, never on the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from functools import partial

import pytest

from hanota.radio.computing import Computing
from hanota.zse.cbke import Suite
from hanota.zse.key_establishment import KeyEstablishmentClient, KeyEstablishmentServer
from tests.radio_dongles import HUB
from tests.radio_keys_support import credentials, entropy
from tests.radio_support import EPOCH, PPMID


async def test_with_libcrypto_it_computes_in_other_threads_of_this_process() -> None:
    computing = Computing(2, accelerated=True)
    try:
        assert await computing.run(os.getpid) == os.getpid()
        assert await computing.run(threading.get_ident) != threading.get_ident()
    finally:
        computing.stop()


async def test_in_pure_python_it_computes_in_another_process_which_leaves_the_loop_free() -> None:
    computing = Computing(2, accelerated=False)
    try:
        assert await computing.run(os.getpid) != os.getpid()
        busy = asyncio.ensure_future(computing.run(partial(sum, range(10_000_000))))
        turns = 0
        while not busy.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100
    finally:
        computing.stop()


async def test_a_handshakes_work_goes_to_the_process_and_its_result_comes_back() -> None:
    client = KeyEstablishmentClient(
        credentials(PPMID).suites[Suite.ONE], own=PPMID, server=HUB, entropy=entropy(3)
    )
    client.start(EPOCH)
    computing = Computing(1, accelerated=False)
    try:
        while not (work := client.work()):
            (request,) = client.requests()
            server = KeyEstablishmentServer(credentials(HUB), own=HUB, entropy=entropy(4))
            server.receive(PPMID, request, EPOCH)
            ((_, answer),) = server.responses()
            client.receive(answer, EPOCH)
        client.finished(await computing.run(work[0].run), EPOCH)
        assert client.requests()
    finally:
        computing.stop()


async def test_a_computing_process_that_is_killed_is_replaced() -> None:
    computing = Computing(1, accelerated=False)
    try:
        with pytest.raises(Exception, match="process"):
            await computing.run(partial(os._exit, 1))
        assert await computing.run(os.getpid) != os.getpid()
    finally:
        computing.stop()


async def test_no_more_is_computed_at_once_than_the_setting_says() -> None:
    computing = Computing(2, accelerated=True)
    running: list[int] = []
    most = 0

    def work() -> None:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        time.sleep(0.01)
        running.pop()

    try:
        await asyncio.gather(*(computing.run(work) for _ in range(8)))
        assert most <= 2
    finally:
        computing.stop()
