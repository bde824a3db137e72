"""Names, contrast, focus and width: what people who see, point or read otherwise depend on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser_places import PLACES, furnished, open_place
from tests.browser_support import PHONE, WIDE
from tests.npm_support import installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser_support import Visitor

HERE = Path(__file__).parent
CHECKS = (HERE / "checks.js").read_text()
AXE = [HERE / "axe" / name for name in ("package.json", "package-lock.json")]
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""The rules: WCAG 2.2 at level AA, and what axe-core holds to be good practice."""
AXE_RUN = """async (tags) => {
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.map(({ id, help, nodes }) => [id, help, ...nodes.map(({ html }) => html)].join(" | "));
}"""


@pytest.fixture(scope="module")
def visitor(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A page of a bench that has something to show in each view."""
    with furnished(browser, tmp_path_factory.mktemp("bench")) as visitor:
        yield visitor


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest, visitor: Visitor) -> str:
    """A view or a dialog, opened once for all tests of it."""
    open_place(visitor, request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def axe(pytestconfig: pytest.Config) -> str:
    """axe-core as a script."""
    folder = installed(pytestconfig, "axe", AXE)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def resize(page: Page, size: tuple[int, int]) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})


def test_every_text_has_the_contrast_of_wcag_aa(visitor: Visitor, place: str) -> None:
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme)
        texts: list[dict[str, Any]] = visitor.page.evaluate(f"{CHECKS}; contrasts()")
        assert len(texts) > 2, place
        assert [text for text in texts if text["ratio"] < text["needed"]] == [], scheme


@pytest.mark.usefixtures("place")
def test_axe_finds_nothing_in_light_and_dark_wide_and_on_a_phone(visitor: Visitor, axe: str) -> None:
    page = visitor.page
    page.evaluate(axe)
    found: dict[str, list[str]] = {}
    try:
        for size in (WIDE, PHONE):
            resize(page, size)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found[f"{scheme}, {size[0]} px"] = page.evaluate(AXE_RUN, list(AXE_TAGS))
    finally:
        resize(page, WIDE)
    assert {where: faults for where, faults in found.items() if faults} == {}


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


def test_axe_would_find_a_fault(visitor: Visitor, axe: str) -> None:
    open_place(visitor, "images")
    visitor.page.evaluate(axe)
    visitor.page.evaluate("document.querySelector('main button').replaceChildren()")
    faults = visitor.page.evaluate(AXE_RUN, list(AXE_TAGS))
    assert any(fault.startswith("button-name") for fault in faults)


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
