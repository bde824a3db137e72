"""Every view and dialog of the dashboard, opened as somebody who has come anew."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from hanota.api.access import Role
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import CplStatus, DeviceType
from hanota.hub.jobs import JobKind
from tests.browser_support import TOKENS, running, until, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from hanota.daemon.daemon import Daemon
    from tests.browser_support import Visitor

PLACES = (
    "login",
    "bench",
    "images",
    "products",
    "alerts",
    "journal",
    "audit",
    "job",
    "start",
    "activate",
    "message",
    "add",
    "list",
    "withdraw",
)
CCS08 = re.compile("CCS08 alert")
_LISTED = ProductEntry(
    bytes(range(32)), DeviceType.ESME, "01000001", 0x121D, 0x0101, "a model", 1, 3, gbcs_version="4.1"
)


@contextmanager
def furnished(browser: Browser, folder: Path) -> Iterator[Visitor]:
    """Give a page of a bench whose HCALCS waits to be activated: each view has something to show."""
    with running(folder) as bench, visiting(browser, bench.url) as visitor:

        async def list_products(daemon: Daemon) -> None:
            products = daemon.parts.context.products
            products.put(_LISTED)
            products.put(replace(_LISTED, firmware_version="01000000", status=CplStatus.WITHDRAWN))

        bench.ask(list_products)
        visitor.log_in()
        card = visitor.start_update(bench, JobKind.HCALCS)
        until(card.locator(".state"), "held")
        yield visitor


def open_place(visitor: Visitor, place: str) -> None:
    """Open `place` as somebody who has come anew."""
    page = visitor.page
    page.emulate_media(color_scheme="light")
    if place == "login":
        page.evaluate("sessionStorage.clear()")
    else:
        page.evaluate("(token) => sessionStorage.setItem('hanota.token', token)", TOKENS[Role.ACTIVATOR])
    views = {"job": "job/1", "message": "job/1", "list": "products", "withdraw": "products"}
    page.evaluate("(view) => { location.hash = view; }", views.get(place, place))
    page.reload()
    shown = {
        "login": page.get_by_label("Token"),
        "job": page.get_by_role("button", name=CCS08),
        "message": page.get_by_role("button", name=CCS08),
    }
    shown.get(place, page.locator(".card, .row").first).wait_for()
    openers: dict[str, str | re.Pattern[str]] = {
        "start": "Start an update…",
        "add": "Add a device…",
        "activate": "Activate job",
        "message": CCS08,
        "list": "List a product…",
        "withdraw": "Withdraw ESME",
    }
    if place in openers:
        page.get_by_role("button", name=openers[place]).first.click()
        page.get_by_role("dialog").wait_for()
    if place == "message":
        page.get_by_role("dialog").get_by_text("GBCS CCS08").wait_for()
