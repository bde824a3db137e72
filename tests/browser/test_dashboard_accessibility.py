"""Names, contrast, focus and width: what people who see, point or read otherwise depend on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hanota.api.access import Role
from hanota.hub.jobs import JobKind
from tests.browser_support import PHONE, TOKENS, WIDE, running, until, visiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser_support import Visitor

CHECKS = (Path(__file__).parent / "checks.js").read_text()
PLACES = ("login", "bench", "images", "alerts", "journal", "job", "start", "activate", "message", "add")
"""Every view and the dialogs."""
CCS08 = re.compile("CCS08 alert")


@pytest.fixture(scope="module")
def visitor(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A page of a bench whose HCALCS waits to be activated: each view has something to show."""
    with (
        running(tmp_path_factory.mktemp("bench")) as bench,
        visiting(browser, bench.url) as visitor,
    ):
        visitor.log_in()
        card = visitor.start_update(bench, JobKind.HCALCS)
        until(card.locator(".state"), "held")
        yield visitor


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, visitor: Visitor) -> str:
    """A view or a dialog, opened once for all tests of it."""
    open_place(visitor, request.param)
    return str(request.param)


def resize(page: Page, size: tuple[int, int]) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})


def open_place(visitor: Visitor, place: str) -> None:
    """Open `place` as somebody who has come anew."""
    page = visitor.page
    page.emulate_media(color_scheme="light")
    if place == "login":
        page.evaluate("sessionStorage.clear()")
    else:
        page.evaluate("(token) => sessionStorage.setItem('hanota.token', token)", TOKENS[Role.ACTIVATOR])
    view = {"job": "job/1", "message": "job/1"}.get(place, place)
    page.evaluate("(view) => { location.hash = view; }", view)
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
    }
    if place in openers:
        page.get_by_role("button", name=openers[place]).first.click()
        page.get_by_role("dialog").wait_for()
    if place == "message":
        page.get_by_role("dialog").get_by_text("GBCS CCS08").wait_for()


def test_every_text_has_the_contrast_of_wcag_aa(visitor: Visitor, place: str) -> None:
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme)
        texts: list[dict[str, Any]] = visitor.page.evaluate(f"{CHECKS}; contrasts()")
        assert len(texts) > 2, place
        assert [text for text in texts if text["ratio"] < text["needed"]] == [], scheme


@pytest.mark.usefixtures("place")
def test_every_control_has_a_name_and_headings_skip_no_level(visitor: Visitor) -> None:
    assert visitor.page.evaluate(f"{CHECKS}; faults()") == []


@pytest.mark.usefixtures("place")
def test_a_phone_scrolls_down_alone(visitor: Visitor) -> None:
    resize(visitor.page, PHONE)
    try:
        assert visitor.page.evaluate(f"{CHECKS}; tooWide()") == []
    finally:
        resize(visitor.page, WIDE)


@pytest.mark.usefixtures("place")
def test_tab_reaches_every_control_and_its_focus_is_seen(visitor: Visitor) -> None:
    page = visitor.page
    expected = page.evaluate(f"{CHECKS}; reachable()")
    reached = set()
    for _ in range(len(expected) + 4):
        page.keyboard.press("Tab")
        name, seen = page.evaluate(f"{CHECKS}; focus()")
        if name:
            assert seen, f"no outline at {name}"
            reached.add(name)
    assert set(expected) <= reached


def test_a_dialog_keeps_the_focus_and_gives_it_back(visitor: Visitor) -> None:
    page = visitor.page
    open_place(visitor, "start")
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.evaluate("document.activeElement.textContent") == "Start an update…"


def test_nothing_moves_for_who_asked_for_that(visitor: Visitor) -> None:
    open_place(visitor, "bench")
    assert visitor.page.evaluate(f"{CHECKS}; moving()") == []
    visitor.page.emulate_media(reduced_motion="no-preference")
    assert visitor.page.evaluate(f"{CHECKS}; moving()") != []
    visitor.page.emulate_media(reduced_motion="reduce")


def test_pictures_for_the_readme(visitor: Visitor, picture: Callable[[Page, str], None]) -> None:
    page = visitor.page
    open_place(visitor, "job")
    resize(page, PHONE)
    page.emulate_media(color_scheme="dark")
    assert page.locator("h1").inner_text() == "Job 1"
    picture(page, "phone")
