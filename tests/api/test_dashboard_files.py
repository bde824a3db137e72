"""The dashboard's files: served as they should be, complete, and with nothing in them from elsewhere."""

from __future__ import annotations

import re

import pytest

from hanota.api.access import Role
from hanota.api.app import DASHBOARD
from hanota.hub.events import EventKind
from hanota.hub.ports import HanFrame
from hanota.zcl import ClusterId
from tests.api_support import bench
from tests.hub_parties_support import HCALCS, PPMID
from tests.hub_support import virtual

FILES = sorted(DASHBOARD.iterdir())
NAMES = [file.name for file in FILES]
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


async def test_every_file_is_served_to_anybody_and_asked_about_each_time() -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client(None) as client:
        for file in FILES:
            path = "/" if file.name == "index.html" else f"/{file.name}"
            answer = await client.get(path)
            assert answer.content == file.read_bytes()
            assert answer.headers["content-type"].startswith(TYPES[file.suffix])
            assert answer.headers["cache-control"] == "no-cache"
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            known = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert (known.status_code, known.headers["cache-control"]) == (304, "no-cache")


@pytest.mark.parametrize("path", ["/..%2fapp.py", "/%2e%2e/app.py", "/nothing", "/api/v1/nothing"])
async def test_nothing_beside_them_is_served(path: str) -> None:
    async with bench(dashboard=DASHBOARD) as api, api.client(Role.ACTIVATOR) as client:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "error" in answer.json()


def test_every_file_that_a_file_names_is_there() -> None:
    named = {"index.html"}
    for file in FILES:
        text = file.read_text()
        named.update(re.findall(r'from "\./([^"]+)"', text))
        if file.suffix == ".html":
            named.update(re.findall(r'(?:src|href)="([^"#]+)"', text))
    assert named == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_nothing_that_would_load_run_or_style_what_is_not_its_own(name: str) -> None:
    text = (DASHBOARD / name).read_text().replace("http://www.w3.org/2000/svg", "")
    forbidden = (
        r"https?:",
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc",
        r"\beval\b|new Function|javascript:",
        r"<script(?! type=\"module\" src=)|<style|\bstyle=|setAttribute\(\"style",
        r"\bon\w+=\"",
        r"localStorage|document\.cookie|indexedDB",
        r"@import|url\(",
    )
    assert [pattern for pattern in forbidden if re.search(pattern, text)] == []


def test_the_words_of_every_kind_of_event_are_known() -> None:
    words = (DASHBOARD / "words.js").read_text()
    assert [kind for kind in EventKind if f'"{kind}": ' not in words] == []


def test_a_device_is_told_with_the_signal_of_its_last_frame() -> None:
    @virtual
    async def look() -> None:
        async with bench() as api:
            frame = HanFrame(PPMID.eui64, ClusterId.TUNNELING, b"", True, 0, lqi=180, rssi=-61)
            api.lab.hub.frame_received(frame)
            heard = await api.get(f"/devices/{PPMID.eui64}")
            assert (heard["lqi"], heard["rssi"]) == (180, -61)
            silent = await api.get(f"/devices/{HCALCS.eui64}")
            assert (silent["lqi"], silent["rssi"]) == (None, None)

    look()
