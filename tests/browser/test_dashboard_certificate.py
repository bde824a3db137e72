"""A browser that has a certificate which names an actor is asked for no token."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.api.mutual_tls_support import mutual_tls
from tests.browser_support import PATIENCE, STARTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.api.mutual_tls_support import MutualTls


@contextmanager
def served(folder: Path) -> Iterator[MutualTls]:
    """Serve the dashboard behind mutual TLS, in a thread of its own."""
    started, stop = threading.Event(), asyncio.Event()
    there: list[tuple[MutualTls, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with mutual_tls(folder, dashboard=True) as tls:
            there.append((tls, asyncio.get_running_loop()))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(STARTED)
        yield there[0][0]
    finally:
        if there:
            there[0][1].call_soon_threadsafe(stop.set)
        thread.join(STARTED)


@contextmanager
def page_of(browser: Browser, tls: MutualTls, name: str) -> Iterator[Page]:
    """Open the dashboard in a browser that has a certificate."""
    file = tls.shown[name].file
    context = browser.new_context(
        client_certificates=[{"origin": tls.url, "certPath": file, "keyPath": file}],
        ignore_https_errors=True,  # the browser knows nothing of the test's authority
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(tls.url)
    try:
        yield page
    finally:
        context.close()


def test_a_certificate_that_names_an_actor_opens_the_dashboard(browser: Browser, tmp_path: Path) -> None:
    with served(tmp_path) as tls:
        with page_of(browser, tls, "otto") as page:
            page.locator("#connection").get_by_text("Live").wait_for()
            assert "otto, operator" in page.locator("#who").inner_text()
            assert page.get_by_label("Token").count() == 0
        with page_of(browser, tls, "nobody") as page:
            page.get_by_label("Token").wait_for()
