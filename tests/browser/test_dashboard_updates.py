"""Updates made in the browser, by mouse and by keyboard, on an emulated bench."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hanota.hub.jobs import JobKind
from tests.browser_support import SIZE, until, visiting
from tests.daemon_support import DEVICES, NEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tests.browser_support import BrowserBench


FIGURES = r"\d+ % · [\d,]+ of 24,060 octets · [\d,]+ octets/s · \d+ s left"
MESSAGES = (
    "Service Request 11.4",
    "I99",
    "Image Notify",
    "Query Next Image",
    "Upgrade End Request",
    "CCS08 alert",
    "CS09 alert",
)


def test_an_image_is_dropped_an_update_started_followed_and_activated_and_its_messages_decoded(
    browser: Browser, bench: BrowserBench, picture: Callable[[Page, str], None]
) -> None:
    device = str(DEVICES[JobKind.PPMID])
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("Images")
        visitor.drop("ppmid.ota", bench.image(JobKind.PPMID, SIZE))
        card = page.get_by_role("listitem").filter(has_text=f"PPMID {NEW}")
        card.get_by_role("button", name="Update").click()
        dialog = page.get_by_role("dialog", name="Start an update")
        assert dialog.get_by_label(device).is_checked()
        dialog.get_by_role("button", name="Start").click()
        visitor.go("Bench")
        card = page.get_by_role("region", name="Updates under way").get_by_role("listitem")
        card.get_by_role("progressbar").wait_for()
        until(card.locator(".figures"), re.compile(FIGURES))
        card.get_by_role("img", name=re.compile("^Rate in the last")).wait_for()
        picture(page, "bench")
        card.get_by_role("link", name=re.compile(r"^Job \d+$")).click()
        until(page.locator(".state"), "activated")
        chart = page.get_by_role("region", name="Message chart")
        until(chart, "PPMIDAlert: ActivationSuccess")
        words = "\n".join(chart.get_by_role("listitem").all_inner_texts())
        assert [message for message in MESSAGES if message not in words] == []
        chart.scroll_into_view_if_needed()
        chart.get_by_role("button").last.scroll_into_view_if_needed()
        picture(page, "messages")
        chart.get_by_role("button", name=re.compile("CS09 alert")).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("GBCS CS09").wait_for()
        assert re.search(r"Originator\s+00-DB-12-34-56-78-90-A4", dialog.inner_text())
        page.keyboard.press("Escape")
        focused = page.evaluate("document.activeElement.textContent")
        assert "CS09 alert, 132 octets" in focused


def test_an_hcalcs_is_updated_and_activated_by_keyboard_alone(
    browser: Browser, bench: BrowserBench, picture: Callable[[Page, str], None]
) -> None:
    device = str(DEVICES[JobKind.HCALCS])
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        walk_to(page, "Images")
        page.keyboard.press("Enter")
        page.get_by_role("heading", level=1, name="Images").wait_for()
        with page.expect_file_chooser() as chooser:
            walk_to(page, "Choose files…")
            page.keyboard.press("Enter")
        octets = bench.image(JobKind.HCALCS, 600)
        chooser.value.set_files({"name": "h.ota", "mimeType": "application/octet-stream", "buffer": octets})
        page.get_by_role("heading", name=f"HCALCS {NEW}").wait_for()
        walk_to(page, f"Update with HCALCS {NEW}")
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Start an update").wait_for()
        walk_to(page, "Start")
        page.keyboard.press("Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        walk_to(page, "Bench")
        page.keyboard.press("Enter")
        until(page.locator(".state"), "held")
        walk_to(page, "Activate job")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name=f"Activate the firmware of {device}?")
        dialog.wait_for()
        for fact in (device, NEW, bench.newest_hash()):
            assert fact in dialog.inner_text()
        picture(page, "activation")
        walk_to(page, "Activate")
        page.keyboard.press("Enter")
        page.get_by_role("dialog").wait_for(state="detached")
        ended = page.get_by_role("region", name="Updates that have ended")
        until(ended.get_by_role("listitem"), re.compile(f"{device}.*activated", re.DOTALL))
        until(page.get_by_role("listitem").filter(has_text=f"HCALCS {device}"), NEW)


def walk_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on the control whose name begins so."""
    page.wait_for_function(
        """(name) => [...document.querySelectorAll("a, button, input, select")]
            .some((each) => (each.getAttribute("aria-label") ?? each.textContent).startsWith(name))""",
        arg=name,
    )
    for _ in range(100):
        focused = page.evaluate(
            """(() => {
                const at = document.activeElement;
                if (!at.matches("a, button, input, select")) return "";
                return at.getAttribute("aria-label") ?? at.textContent;
            })()"""
        )
        if focused.startswith(name):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {name}")
