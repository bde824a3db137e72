"""What is done with an update under way: paused, resumed, cancelled, approved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hanota.api.access import Role
from hanota.hub.jobs import JobKind
from tests.browser_support import until, visiting
from tests.daemon_support import DEVICES, NEW

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser_support import BrowserBench


LONG = 100_000
"""Octets of an image that is still on its way when somebody pauses it."""


def test_an_update_is_paused_resumed_and_cancelled(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        card = visitor.start_update(bench, JobKind.HCALCS, LONG)
        card.get_by_role("button", name="Pause job").click()
        until(card.locator(".state"), "paused")
        card.get_by_role("button", name="Resume job").click()
        card.get_by_role("button", name="Pause job").wait_for()
        card.get_by_role("button", name="Cancel job").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
        ended = page.get_by_role("region", name="Updates that have ended")
        until(ended.get_by_role("listitem"), "cancelled by activator")


def test_an_operator_starts_what_an_activator_approves_in_a_dialog_that_names_it(
    browser: Browser, bench: BrowserBench
) -> None:
    device = str(DEVICES[JobKind.PPMID])
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OPERATOR)
        card = visitor.start_update(bench, JobKind.PPMID)
        until(card.locator(".state"), "waits for approval")
        card.get_by_role("button", name="Approve").wait_for(state="detached")
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        card = page.get_by_role("listitem").filter(has_text=f"PPMID {device}").first
        card.get_by_role("button", name="Approve job").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Approve job"))
        for fact in (device, NEW, bench.newest_hash()):
            assert fact in dialog.inner_text()
        dialog.get_by_role("button", name="Approve").click()
        dialog.wait_for(state="detached")
        ended = page.get_by_role("region", name="Updates that have ended")
        until(ended.get_by_role("listitem"), re.compile(f"{device}.*activated", re.DOTALL))
