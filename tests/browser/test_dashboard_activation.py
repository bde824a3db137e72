"""An activation for later, and its cancellation. Apart: what a device was told stays with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.hub.jobs import JobKind
from tests.browser_support import until, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser_support import BrowserBench


READ_AGAIN = """kind => new Promise(async (done) => {
  const { Bench } = await import(new URL("bench.js", document.querySelector("script[type=module]").src));
  const bench = new Bench(), device = "00-00-00-00-00-00-00-01", { fetch } = window;
  window.fetch = (path, options) => {
    if (path.endsWith("/jobs/77")) done(true);
    return fetch(path, options);
  };
  bench.takeJob({ id: 77, device, state: "activating", ended: false });
  bench.addEventListener("change", () => done(false));
  bench.takeEvent({ kind, job: null, device, at: "2030-01-15T09:00:00Z" });
})"""
"""Whether an event without a job of its own has the job of its device read."""


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
        until(card.locator(".figures"), "Activates at 15 Jan 2030, 09:00:00")
        token = page.evaluate("sessionStorage.getItem('hanota.token')")
        # Somebody else puts it off further: the job stays activating, and no event is the job's own.
        elsewhere = page.request.post(
            f"{bench.url}/api/v1/jobs/1/activate",
            data={"cancel": False, "when": page.evaluate("new Date('2031-02-16T10:30:00').toISOString()")},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert elsewhere.ok, elsewhere.text()
        until(card.locator(".figures"), "Activates at 16 Feb 2031, 10:30:00")
        card.get_by_role("button", name="Activate job").click()
        dialog.get_by_label("Cancel the activation that is due later").check()
        dialog.get_by_role("button", name="Activate").click()
        dialog.wait_for(state="detached")
        until(card.locator(".state"), "held")
        card.locator(".figures").wait_for(state="hidden")
        card.get_by_role("button", name="Cancel job").click()
        dialog.get_by_role("button", name="Cancel the job").click()
        card.wait_for(state="detached")


def test_a_command_to_a_device_has_its_open_job_read_again(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        visitor.log_in()
        assert visitor.page.evaluate(READ_AGAIN, "gbcs.sent")
        assert visitor.page.evaluate(READ_AGAIN, "service_request.response")  # no response: E20, E21
