"""An activation for later, and its cancellation. Apart: what a device was told stays with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.hub.jobs import JobKind
from tests.browser_support import until, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser_support import BrowserBench


def test_an_activation_is_put_off_and_then_cancelled(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        card = visitor.start_update(bench, JobKind.HCALCS)
        until(card.locator(".state"), "held")
        card.get_by_role("button", name="Activate job").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("At a time").check()
        dialog.get_by_label("Time", exact=True).fill("2030-01-15T09:00:00")
        dialog.get_by_role("button", name="Activate").click()
        dialog.wait_for(state="detached")
        until(card.locator(".state"), "activating")
        card.get_by_role("button", name="Activate job").click()
        dialog.get_by_label("Cancel the activation that is due later").check()
        dialog.get_by_role("button", name="Activate").click()
        dialog.wait_for(state="detached")
        until(card.locator(".state"), "held")
        card.get_by_role("button", name="Cancel job").click()
        dialog.get_by_role("button", name="Cancel the job").click()
        card.wait_for(state="detached")
