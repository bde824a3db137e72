"""Devices and images: added, looked at, taken away, and refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanota.hub.jobs import JobKind
from tests.browser_support import until, visiting
from tests.daemon_support import DEVICES, NEW

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser_support import BrowserBench

STRANGER = "00-DB-12-34-56-78-90-AF"
INSTALL_CODE = "83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5"
IMAGE_TYPE = slice(12, 14)
"""Where the OTA Header has the image type."""


def test_a_device_is_added_with_its_install_code_and_removed(browser: Browser, bench: BrowserBench) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        page.get_by_role("button", name="Add a device…").click()
        dialog = page.get_by_role("dialog", name="Add a device")
        dialog.get_by_label("EUI-64").fill(STRANGER)
        dialog.get_by_label("Install code").fill(INSTALL_CODE[:-1] + "6")
        dialog.get_by_role("button", name="Add").click()
        until(dialog.get_by_role("alert"), "CRC")
        dialog.get_by_label("Install code").fill(INSTALL_CODE)
        dialog.get_by_role("button", name="Add").click()
        until(page.get_by_role("status"), "may join now")
        card = page.get_by_role("listitem").filter(has_text=STRANGER)
        until(card.locator(".state"), "not ready")
        card.get_by_role("button", name="Remove").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        until(page.get_by_role("status"), "is removed")
        until(card.locator(".state"), "not in the Device Log")
        assert card.get_by_role("button", name="Remove").count() == 0
        card.get_by_role("button", name="Forget").click()
        page.get_by_role("dialog").get_by_role("button", name="Forget").click()
        until(page.get_by_role("status"), "is forgotten")
        card.wait_for(state="detached")


def test_a_device_is_asked_for_its_version(browser: Browser, bench: BrowserBench) -> None:
    device = str(DEVICES[JobKind.HCALCS])
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        page.get_by_role("button", name=f"Read version of {device}").click()
        until(page.get_by_role("listitem").filter(has_text=device), "01000000")


def test_a_file_that_is_no_image_is_refused_and_one_of_any_type_is_asked_about(
    browser: Browser, bench: BrowserBench
) -> None:
    with visiting(browser, bench.url) as visitor:
        page = visitor.page
        visitor.log_in()
        visitor.go("Images")
        visitor.drop("notes.txt", b"no image, though it is long enough for a header")
        until(page.get_by_role("alert"), "notes.txt is no OTA Upgrade Image")
        octets = bytearray(bench.image(JobKind.PPMID, 600))
        octets[IMAGE_TYPE] = b"\x34\x12"
        visitor.drop("own.ota", bytes(octets))
        dialog = page.get_by_role("dialog", name="For which devices?")
        dialog.get_by_label("PPMID").check()
        dialog.get_by_role("button", name="Add").click()
        dialog.wait_for(state="detached")
        card = page.get_by_role("listitem").filter(has_text=f"PPMID {NEW}")
        until(card, "0x1234")
        card.get_by_role("button", name="Retire").click()
        page.get_by_role("dialog").get_by_role("button", name="Retire").click()
        until(page.get_by_role("status"), "is retired")
        card.wait_for(state="detached")
