"""The journal in the browser: bounded, live, and all of it within reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.api.access import Role
from hanota.hub.events import EventKind, Party
from tests.browser_support import until, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from hanota.daemon.daemon import Daemon
    from hanota.hub.events import Json
    from tests.browser_support import BrowserBench

SHOWN = 500
"""Events that one list holds at most."""


def note(bench: BrowserBench, count: int, text: str) -> None:
    """Have the daemon note that it refused frames."""

    async def record(daemon: Daemon) -> None:
        journal = daemon.parts.journal
        with journal.transaction():
            for number in range(count):
                detail: dict[str, Json] = {"cluster": 0x0702, "reason": f"{text} {number}"}
                journal.record(EventKind.FRAME_REFUSED, Party.RADIO, Party.HUB, detail=detail)

    bench.ask(record)


def test_older_events_are_reached_by_the_page_and_no_list_grows_without_bound(
    browser: Browser, bench: BrowserBench
) -> None:
    note(bench, SHOWN + 200, "early")
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in(Role.OBSERVER)
        visitor.go("Journal")
        rows = page.locator(".event")
        until(rows, f"early {SHOWN + 199}")
        older = page.get_by_role("button", name="Older events")
        for _ in range(40):
            if not older.is_visible():
                break
            before = rows.last.inner_text()
            older.click()
            page.wait_for_function(
                "(before) => [...document.querySelectorAll('.event')].at(-1).innerText !== before", arg=before
            )
        until(rows, "Coordinator starting")
        assert rows.count() <= SHOWN
        note(bench, 1, "late")
        page.get_by_role("button", name="Newest events").click()
        until(rows, "late 0")
        note(bench, 1, "later")
        until(rows.first, "later 0")
        assert rows.count() <= SHOWN


def test_a_flood_of_events_leaves_the_newest(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OBSERVER)
        visitor.go("Alerts")
        rows = visitor.page.locator(".event")
        note(bench, 3 * SHOWN, "flood")
        until(rows.first, f"flood {3 * SHOWN - 1}")
        assert rows.count() == SHOWN
        assert "fault" in rows.first.inner_text()


def test_the_journal_is_narrowed_to_one_subsystem(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in(Role.OBSERVER)
        visitor.go("Journal")
        page.get_by_label("Subsystem").select_option("device_log")
        until(page.locator(".event"), "PPMID added to the Device Log")
        texts = page.locator(".event").all_inner_texts()
        assert texts
        assert [text for text in texts if "Device Log" not in text] == []
        note(bench, 1, "other")
        page.get_by_label("Subsystem").select_option("")
        until(page.locator(".event"), "other 0")
