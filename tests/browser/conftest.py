"""Debian's chromium for the tests of the dashboard; they are skipped where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser_support import CHROMIUM, FLAGS, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.browser_support import BrowserBench

PICTURES = Path(__file__).parent / "pictures"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hanota")
    group.addoption("--pictures", action="store_true", help="write the pictures of the README")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium; for one module at a time, since its event loop keeps others from running."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="module")
def bench(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserBench]:
    """A daemon with an emulated PPMID and HCALCS that are ready."""
    assert browser.is_connected()  # no browser, no daemon
    with running(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture
def picture(pytestconfig: pytest.Config) -> Callable[[Page, str], None]:
    """Return what takes a picture for the README, with `--pictures` alone."""
    wanted = bool(pytestconfig.getoption("--pictures", default=False))

    def take(page: Page, name: str) -> None:
        if wanted:
            for told in page.locator("#notice, #fault").all():
                told.evaluate("(told) => { told.textContent = ''; }")
            page.mouse.move(0, 0)
            page.screenshot(path=PICTURES / f"{name}.png")

    return take
