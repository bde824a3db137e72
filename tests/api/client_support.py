"""The HTTP side on a real port, in a thread of its own, and `hanota client` before it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from typer.testing import CliRunner

from hanota.api.access import Role
from hanota.cli.main import app
from hanota.emulator.loop import loop_factory
from hanota.gbcs import activate_firmware
from hanota.gbcs.message import Message
from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse, read_firmware_version_response
from hanota.hub.jobs import JobKind, JobState
from tests.api_support import TOKENS, bench
from tests.hub_parties_support import NEW_VERSION, activation_alert, outcome, with_device_mac

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from typer.testing import Result

    from hanota.eui64 import Eui64
    from tests.api_support import Bench
    from tests.hub_support import FakeDevice

T = TypeVar("T")

SPEED = 100.0
"""How much faster than the wall the daemon's clock runs: its devices take seconds."""
PATIENCE = 20


@dataclass
class Served:
    """A daemon as a client sees it."""

    url: str
    api: Bench
    loop: asyncio.AbstractEventLoop
    server: uvicorn.Server

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the daemon's side."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so on the daemon's side."""

        async def wait() -> None:
            while not condition():  # noqa: ASYNC110  # whatever it is, there is no event for it
                await asyncio.sleep(1)

        self.do(wait())

    def state(self, device: Eui64) -> str:
        """Return the state of a device's newest job."""

        async def ask() -> str:
            return self.api.lab.state(device)

        return self.do(ask())

    def client(
        self, *arguments: str, role: Role | None = Role.ACTIVATOR, answer: str | None = None
    ) -> Result:
        """Run a command of `hanota client`."""
        environment = {"HANOTA_TOKEN": "" if role is None else TOKENS[role]}
        command = ["client", "--url", self.url, *arguments]
        return CliRunner().invoke(app, command, input=answer, env=environment)


@contextmanager
def served(*, supplier_keys: bool = True, tls: Path | None = None) -> Iterator[Served]:
    """Serve a hub and a DCC without radio for the length of a `with` block; `tls` has certificate and key."""
    ready, done = threading.Event(), asyncio.Event()
    there: list[Served] = []

    async def live() -> None:
        async with bench(supplier_keys=supplier_keys) as api:
            # Keep-alive by the wall: this loop's seconds are short.
            config = uvicorn.Config(
                api.app,
                port=0,
                log_config=None,
                lifespan="off",
                timeout_keep_alive=3600,
                ssl_certfile=tls,
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.01)
            number = server.servers[0].sockets[0].getsockname()[1]
            url = f"{'http' if tls is None else 'https'}://127.0.0.1:{number}"
            there.append(Served(url, api, asyncio.get_running_loop(), server))
            ready.set()
            await done.wait()
            api.context.draining.set()
            server.should_exit = True
            await serving

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
            runner.run(live())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield there[0]
    finally:
        if there:
            there[0].loop.call_soon_threadsafe(done.set)
        thread.join()


async def obedient(api: Bench) -> None:
    """Let the devices answer CS06 and CS08 and report activations, until cancelled."""
    answered: dict[Eui64, int] = {}
    alerts = 0
    while True:
        await asyncio.sleep(0.5)
        for device in api.lab.radio.devices.values():
            for octets in device.messages[answered.get(device.eui64, 0) :]:
                answered[device.eui64] = answered.get(device.eui64, 0) + 1
                device.say(_answer(device, Message.decode(octets)))
        for job in api.lab.hub.jobs.open_jobs():
            if job.kind is JobKind.PPMID and job.state is JobState.ACTIVATING:
                alerts += 1
                api.lab.radio.devices[job.device].say(activation_alert(alerts))


def _answer(device: FakeDevice, command: Message) -> Message:
    if command.message_code == activate_firmware.MESSAGE_CODE:
        return outcome(command, by=device.credentials)
    version = ReadFirmwareVersionResponse(firmware_version=NEW_VERSION.to_bytes(4, "big"), response_code=0)
    return with_device_mac(read_firmware_version_response(command, version), device.credentials)
