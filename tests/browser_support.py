"""A daemon in a thread of its own, and a browser before it."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from hanota.api.access import Role, TokenSettings
from hanota.clock import LoopClock, SystemClock
from hanota.daemon.daemon import Daemon
from hanota.emulator.loop import loop_factory
from tests.daemon_support import NEW, SPEED, bench_settings, image_of

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from hanota.config.settings import Settings
    from hanota.hub.jobs import JobKind

T = TypeVar("T")

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",  # chromium's needs user namespaces, which containers and root do not have
    "--disable-dev-shm-usage",  # containers have 64 MB of /dev/shm, and a page more
    "--disable-gpu",
)
TOKENS = {role: f"token-of-the-{role}" for role in Role}
WIDE = (1000, 760)
PHONE = (360, 740)
PATIENCE = 30_000
"""Milliseconds within which anything happens, on a machine that others use as well."""
SIZE = 24_000
"""Octets of an image: some seconds of the wall, so that there is something to follow."""
STARTED = 60
"""Seconds for the daemon to start or to stop."""

_TOKEN_SETTINGS = tuple(
    TokenSettings(f"{role}@bench", role, hashlib.sha256(token.encode()).digest())
    for role, token in TOKENS.items()
)


class BrowserBench:
    """A daemon on an emulated bench; it runs in its own thread, faster than the wall."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self._settings = _with_api(bench_settings(folder, more=more), tokens=_TOKEN_SETTINGS)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._daemon: Daemon | None = None
        self._failure: BaseException | None = None
        self.url = ""

    @property
    def daemon(self) -> Daemon:
        assert self._daemon is not None
        return self._daemon

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self._settings.store.path

    def start(self) -> None:
        """Start the daemon; once more on the port that it had."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="daemon")
        self._thread.start()
        assert started.wait(STARTED)
        if self._failure is not None:
            raise self._failure
        self._settings = _with_api(self._settings, port=int(self.url.rpartition(":")[2]))

    def stop(self) -> None:
        """Stop the daemon, as a signal would."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(STARTED)
            assert not self._thread.is_alive()

    def ask(self, work: Callable[[Daemon], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` comes to on the daemon's event loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work(self.daemon), self._loop).result(STARTED)

    def until_ready(self) -> None:
        """Wait until every device of the Device Log may be talked to."""

        async def ready(daemon: Daemon) -> None:
            hub = daemon.parts.hub
            while not all(hub.is_ready(entry.device) for entry in hub.device_log):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.2)

        self.ask(ready)

    def image(self, kind: JobKind, size: int = SIZE) -> bytes:
        """Return an image that the emulated device takes."""
        lab = self.daemon.parts.keys.lab
        assert lab is not None
        return image_of(lab, kind, size)

    def newest_hash(self) -> str:
        """Return the hash of the newest job's image."""

        async def ask(daemon: Daemon) -> str:
            return daemon.parts.context.store.jobs()[-1].manufacturer_image_hash.hex()

        return self.ask(ask)

    def _run(self, started: threading.Event) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory(SPEED)) as runner:
                runner.run(self._serve(started))
        except BaseException as error:  # noqa: BLE001  # told to the test, in whose thread it belongs
            self._failure = error
        finally:
            started.set()

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        clock = LoopClock(self._loop, SystemClock().now())
        async with Daemon(self._settings, clock=clock) as daemon:
            self._daemon, self.url = daemon, daemon.url
            started.set()
            await daemon.run(self._stop)


def _with_api(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"api": replace(settings.api, **changes)})


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[BrowserBench]:
    """Have a daemon run whose devices are ready."""
    bench = BrowserBench(folder, more)
    bench.start()
    try:
        bench.until_ready()
        yield bench
    finally:
        bench.stop()


class Visitor:
    """A page of the dashboard, and what the browser has to say against it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("request", lambda request: self.requests.append(request.url))

    def log_in(self, role: Role = Role.ACTIVATOR, view: str = "") -> None:
        """Open the dashboard and give the token of a role."""
        page = self.page
        page.goto(f"{self.url}/{view}")
        page.get_by_label("Token").fill(TOKENS[role])
        page.keyboard.press("Enter")
        page.locator("#connection").get_by_text("Live").wait_for()

    def go(self, view: str) -> None:
        """Go to a view by the navigation."""
        self.page.get_by_role("navigation").get_by_role("link", name=view).click()
        self.page.get_by_role("heading", level=1, name=view).wait_for()

    def drop(self, name: str, data: bytes) -> None:
        """Drop a file on the library."""
        transfer = self.page.evaluate_handle(
            """([name, octets]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(octets)], name));
                return transfer;
            }""",
            [name, list(data)],
        )
        zone = self.page.get_by_role("region", name="Add images")
        zone.dispatch_event("dragover", {"dataTransfer": transfer})
        zone.dispatch_event("drop", {"dataTransfer": transfer})

    def start_update(self, bench: BrowserBench, kind: JobKind, size: int = SIZE) -> Locator:
        """Add an image, begin an update with it by the bench's button, and return its card."""
        page = self.page
        self.go("Images")
        self.drop("image.ota", bench.image(kind, size))
        page.get_by_role("heading", name=f"{kind} {NEW}").first.wait_for()
        self.go("Bench")
        page.get_by_role("button", name="Start an update…").click()
        dialog = page.get_by_role("dialog")
        label = dialog.get_by_label("Image").locator("option").filter(has_text=kind).first.inner_text()
        dialog.get_by_label("Image").select_option(label=label)
        dialog.get_by_role("button", name="Start").click()
        dialog.wait_for(state="detached")
        return (
            page.get_by_role("region", name="Updates under way").get_by_role("listitem").filter(has_text=kind)
        )

    def _heard(self, kind: str, text: str) -> None:
        # A refused request is the daemon's answer, which the page tells; chromium notes it as an error too.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.faults.append(text)


@contextmanager
def visiting(
    browser: Browser, url: str, *, size: tuple[int, int] = WIDE, scheme: Any = "light"
) -> Iterator[Visitor]:
    """Open a page; at the end nothing may have gone wrong in it."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        visitor = Visitor(context.new_page(), url)
        yield visitor
        assert visitor.faults == []
    finally:
        context.close()


def until(place: Locator, words: str | re.Pattern[str]) -> None:
    """Wait until the page has these words in one of the elements."""
    place.filter(has_text=words).first.wait_for()
