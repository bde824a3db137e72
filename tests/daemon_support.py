"""A daemon of its own folder for tests: settings, images, a client, and an event loop that runs faster."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from hanota.clock import LoopClock, SystemClock
from hanota.config.load import load_settings
from hanota.daemon.daemon import Daemon
from hanota.daemon.token_file import read_token, token_file
from hanota.demo.plan import NEW_VERSION, default_plan
from hanota.duis.request import UpdateFirmware, UpdatePpmidFirmware
from hanota.emulator.loop import loop_factory
from hanota.gbcs.reference_test_data import HCALCS, PPMID, SUPPLIER
from hanota.hub.jobs import JobKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from hanota.config.settings import Settings
    from hanota.daemon.lab import Lab
    from hanota.daemon.notify import Notifier
    from hanota.eui64 import Eui64

NEW = f"{NEW_VERSION:08X}"
SPEED = 4
"""How much faster than the wall: ASH wants acknowledgements within 0.4 s, 100 ms of the wall."""
DEVICES: dict[JobKind, Eui64] = {JobKind.PPMID: PPMID, JobKind.HCALCS: HCALCS}


def run_scaled(main: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
        runner.run(main)


def bench_settings(folder: Path, radio: str = "znp", more: str = "") -> Settings:
    """Write the settings of an emulated bench and read them."""
    file = folder / "bench.toml"
    file.write_text(bench_toml(radio) + more)
    return load_settings(file)


def bench_toml(radio: str = "znp") -> str:
    return f"""
        keys = {{ lab = "lab" }}
        store = {{ path = "data/hub.sqlite" }}
        api = {{ port = 0 }}
        radio = {{ url = "{radio}+emulator://bench" }}
        [emulation]
        state = "han.json"
        """


@asynccontextmanager
async def running_daemon(settings: Settings, notifier: Notifier | None = None) -> AsyncIterator[BenchDaemon]:
    clock = LoopClock(asyncio.get_running_loop(), SystemClock().now())
    async with Daemon(settings, clock=clock, notifier=notifier) as daemon:
        headers = {"Authorization": f"Bearer {read_token(token_file(settings.store.path))}"}
        async with httpx.AsyncClient(base_url=f"{daemon.url}/api/v1", headers=headers) as client:
            yield BenchDaemon(daemon, client)


class BenchDaemon:
    """A daemon, and a client with its token."""

    def __init__(self, daemon: Daemon, client: httpx.AsyncClient) -> None:
        self.daemon, self.client = daemon, client

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        query = "" if kind is None else f"&kind={kind}"
        return list((await self.get(f"/events?limit=500{query}"))["events"])

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.client.post(path, **body)
        assert answer.is_success, answer.text
        return answer.json()

    async def until(self, condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110  # the condition is another process's to come true
                await asyncio.sleep(0.2)

    async def until_ready(self, *devices: Eui64) -> None:
        hub = self.daemon.parts.hub

        async def ready() -> bool:
            return all(map(hub.is_ready, devices))

        await self.until(ready)

    async def update(self, kind: JobKind, size: int = 600) -> int:
        """Upload an image, begin an update and return its job."""
        image = await self.post("/images", params={"kind": kind}, content=image_of(self.lab, kind, size))
        body = {"image": image["digest"], "devices": [str(DEVICES[kind])]}
        [device] = (await self.post("/jobs", json=body))["devices"]
        return int(device["job"]["id"])

    async def until_state(self, job: int, state: str) -> None:
        async def is_there() -> bool:
            return bool((await self.get(f"/jobs/{job}"))["state"] == state)

        await self.until(is_there)

    @property
    def lab(self) -> Lab:
        assert self.daemon.parts.keys.lab is not None
        return self.daemon.parts.keys.lab


def image_of(lab: Lab, kind: JobKind, size: int = 600) -> bytes:
    """Return an image that the emulated device takes, signed by the lab's supplier where it has to be."""
    for request in default_plan(size, lab.remote.signing_private_key(SUPPLIER), 7, 0).requests:
        if isinstance(request, UpdatePpmidFirmware if kind is JobKind.PPMID else UpdateFirmware):
            return request.firmware_image
    raise AssertionError
