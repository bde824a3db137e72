"""Who sees which buttons, and who gets in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hanota.api.access import Role
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import DeviceType
from hanota.hub.jobs import JobKind
from tests.browser_support import visiting
from tests.daemon_support import DEVICES, NEW

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from hanota.daemon.daemon import Daemon
    from tests.browser_support import BrowserBench

FOR_ANYBODY = {"Log out", "Older", "Newest"}
VIEWS = ("Bench", "Images", "Products", "Alerts", "Journal")


async def list_product(daemon: Daemon) -> None:
    """Have something on the products list that could be withdrawn."""
    daemon.parts.context.products.put(ProductEntry(bytes(32), DeviceType.ESME, "01000001"))


def buttons(page: Page) -> set[str]:
    """Return what the buttons say that are not the name of an event."""
    return set(page.locator("button:visible:not(.link):not(.message)").all_inner_texts())


def test_an_observer_sees_no_button_that_changes_anything(browser: Browser, bench: BrowserBench) -> None:
    bench.ask(list_product)
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.ACTIVATOR)
        visitor.start_update(bench, JobKind.HCALCS)
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OBSERVER)
        page = visitor.page
        page.get_by_role("heading", name=f"HCALCS {DEVICES[JobKind.HCALCS]}").first.wait_for()
        for view in VIEWS:
            visitor.go(view)
            assert buttons(page) <= FOR_ANYBODY, view
        visitor.go("Images")
        page.get_by_role("heading", name=f"HCALCS {NEW}").wait_for()
        assert page.locator("input, select").count() == 0
        visitor.go("Bench")
        page.get_by_role("link", name=re.compile("^Job 1$")).click()
        page.get_by_role("heading", level=1, name="Job 1").wait_for()
        assert buttons(page) <= FOR_ANYBODY


def test_an_operator_sees_no_button_that_activates_or_takes_away(
    browser: Browser, bench: BrowserBench
) -> None:
    bench.ask(list_product)
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OPERATOR)
        page = visitor.page
        page.get_by_role("button", name="Add a device…").wait_for()
        seen = set()
        for view in VIEWS:
            visitor.go(view)
            seen |= buttons(page)
        assert {"Start an update…", "Update…", "Choose files…", "List a product…"} <= seen
        assert not seen & {"Activate…", "Approve…", "Remove…", "Retire…", "Withdraw…"}


def test_an_unknown_token_is_refused_in_words_and_not_kept(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        page.goto(bench.url)
        page.get_by_label("Token").fill("guessed")
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text="unknown token").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


def test_logging_out_forgets_the_token_and_what_was_seen(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Token").wait_for()
        assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [0, 0, ""]
        assert str(DEVICES[JobKind.PPMID]) not in page.content()
