"""The products list and the audit trail: listed, withdrawn, removed; read, verified, seen to be altered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hanota.api.access import Role
from hanota.dcc.product_entry import ProductEntry
from hanota.duis.inventory import DeviceType
from hanota.hub.jobs import JobKind
from tests.browser_support import until, visiting
from tests.daemon_support import NEW

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from hanota.daemon.daemon import Daemon
    from tests.browser_support import BrowserBench

SLIP = "ab" * 32
SHOWN = 500
"""Rows that the list holds at most."""


def test_an_image_of_the_library_is_listed_withdrawn_and_a_slip_removed(
    browser: Browser, bench: BrowserBench
) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("Images")
        visitor.drop("image.ota", bench.image(JobKind.HCALCS))
        page.get_by_role("heading", name=f"HCALCS {NEW}").wait_for()
        visitor.go("Products")
        page.get_by_text("The list is empty: any image may go to any device.").wait_for()
        page.get_by_role("button", name="List a product…").click()
        dialog = page.get_by_role("dialog", name="List a product")
        dialog.get_by_label("Device type").select_option("PPMID")
        dialog.get_by_label("Manufacturer Image Hash").fill(SLIP)
        dialog.get_by_label("Firmware version").fill("0100000a")
        dialog.get_by_label("GBCS version").fill("9.9")
        dialog.get_by_role("button", name="List").click()
        until(page.get_by_role("status"), "PPMID 0100000A is on the list")
        page.get_by_text("PPMID devices are given images that are Active here, and no others").wait_for()
        page.get_by_role("button", name="List a product…").click()
        label = dialog.get_by_label("Image", exact=True).locator("option").nth(1).inner_text()
        dialog.get_by_label("Image", exact=True).select_option(label=label)
        dialog.get_by_label("Model").fill("a model")
        dialog.get_by_role("button", name="List").click()
        card = page.get_by_role("listitem").filter(has_text=f"HCALCS {NEW} for a model")
        until(card, "0x000D")
        card.get_by_role("button", name="Withdraw").click()
        page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
        until(card.locator(".state"), "Withdrawn")
        card.get_by_role("button", name="Withdraw").wait_for(state="detached")
        page.get_by_role("button", name="Remove PPMID 0100000A").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        until(page.get_by_role("status"), "PPMID 0100000A is removed")
        page.get_by_text(SLIP).wait_for(state="detached")


def test_a_list_that_another_changes_is_shown_as_it_is(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OBSERVER)
        visitor.go("Products")

        async def put(daemon: Daemon) -> None:
            daemon.parts.context.products.put(ProductEntry(bytes(32), DeviceType.GSME, "01000001"))

        bench.ask(put)
        until(visitor.page.get_by_role("listitem"), "GSME 01000001")


def test_the_audit_trail_is_read_as_it_grows_and_its_verification_tells_an_altered_row(
    browser: Browser, bench: BrowserBench
) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("Audit")

        async def refuse(daemon: Daemon) -> None:
            audit = daemon.parts.context.audit
            with daemon.parts.journal.transaction():
                for number in range(SHOWN + 120):
                    audit.record(
                        "somebody", "operator", "cancel_job", f"job {number}", "refused: it has ended"
                    )

        bench.ask(refuse)
        rows = page.locator(".audit")
        until(rows.first, f"job {SHOWN + 119}")
        assert "refused" in rows.first.locator(".badge").inner_text()
        assert rows.count() <= SHOWN
        older = page.get_by_role("button", name="Older rows")
        while older.is_visible():
            before = rows.last.inner_text()
            older.click()
            page.wait_for_function(
                "(before) => [...document.querySelectorAll('.audit')].at(-1).innerText !== before", arg=before
            )
        until(rows, "job 0")
        assert rows.count() <= SHOWN
        page.get_by_role("button", name="Newest rows").click()
        until(rows.first, f"job {SHOWN + 119}")
        page.get_by_role("button", name="Verify the chain of hashes").click()
        until(page.get_by_role("status"), "rows, each as it was written")

        with closing(sqlite3.connect(bench.database)) as database:
            database.execute("DROP TRIGGER audit_is_not_altered")
            database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 3")
            database.commit()
        page.get_by_role("button", name="Verify the chain of hashes").click()
        until(page.get_by_role("status"), "Row 3: its contents do not have its hash: it was altered")


def test_only_an_activator_is_shown_the_audit_trail(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        visitor.log_in(Role.OPERATOR, "#audit")
        page = visitor.page
        page.get_by_role("heading", level=1, name="Bench").wait_for()
        assert page.get_by_role("link", name="Audit").count() == 0
