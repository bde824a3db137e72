"""What the dashboard does when the daemon goes away, and that it talks to nobody else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hanota.api.access import Role
from hanota.hub.jobs import JobKind
from tests.browser_support import running, until, visiting
from tests.daemon_support import DEVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser_support import BrowserBench

MARKUP = "<img src=x onerror=alert(1)>"
STRANGER = "00-DB-12-34-56-78-90-AF"


@pytest.fixture(scope="module")
def bench(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserBench]:
    """A bench with a device whose model name is markup."""
    assert browser.is_connected()  # no browser, no daemon
    device = f'\n[[devices]]\neui64 = "{STRANGER}"\ndevice_type = "PPMID"\nmodel = "{MARKUP}"\n'
    with running(tmp_path_factory.mktemp("bench"), device) as made:
        yield made


def test_a_model_name_of_markup_is_shown_as_text(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        page.on("dialog", lambda dialog: visitor.faults.append(f"script ran: {dialog.message}"))
        visitor.log_in()
        card = page.get_by_role("listitem").filter(has_text=STRANGER)
        card.get_by_text(MARKUP, exact=True).wait_for()
        assert page.locator("img").count() == 0
        assert f"{bench.url}/x" not in visitor.requests


def test_the_page_may_run_nothing_but_its_own_files(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        response = visitor.page.goto(bench.url)
        assert response is not None
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-cache"
        visitor.page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.broken = true";
                document.body.append(script);
            }"""
        )
        assert visitor.page.evaluate("window.broken") is None
        assert [fault for fault in visitor.faults if "Content Security Policy" not in fault] == []
        assert visitor.faults
        visitor.faults.clear()


def test_no_request_leaves_the_origin(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        visitor.log_in()
        for view in ("Images", "Alerts", "Journal", "Bench"):
            visitor.go(view)
        assert visitor.requests
        assert [url for url in visitor.requests if not url.startswith(f"{bench.url}/")] == []


def test_a_lost_connection_is_told_and_resumed_with_the_events_missed(
    browser: Browser, bench: BrowserBench
) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in(Role.OBSERVER)
        visitor.go("Journal")
        seen = page.locator(".event").count()
        bench.stop()
        page.locator("#connection").get_by_text(re.compile("^Connection lost at event")).wait_for()
        assert "out of date" in page.get_by_role("alert").inner_text()
        bench.start()
        page.locator("#connection").get_by_text("Live", exact=True).wait_for()
        until(page.get_by_role("status"), re.compile("^Connected again"))
        rows = page.locator(".event")
        until(rows, "Coordinator stopped")
        until(rows, re.compile("hanota .* started"))
        assert rows.count() > seen
        numbers = [int(n) for n in re.findall(r"/stream\?after=(\d+)", "\n".join(visitor.requests))]
        assert len(numbers) > 1
        assert numbers == sorted(numbers)
        bench.until_ready()
        visitor.go("Bench")
        until(
            page.get_by_role("listitem").filter(has_text=str(DEVICES[JobKind.PPMID])).locator(".state"),
            "ready",
        )
