"""Whatever is sent to REST, hanota answers in its own words and never fails at it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from hanota.api.access import AccessSettings, Role
from hanota.api.settings import ApiSettings
from hanota.emulator.loop import run_virtual
from tests.api_support import Bench, bench
from tests.hub_parties_support import HCALCS, HCALCS_IMAGE, PPMID, PPMID_IMAGE

_SETTINGS = ApiSettings(access=AccessSettings(failures=1_000_000), version_wait=1)
_KEYS = [
    *("image", "devices", "priority", "upgrade_at", "needs_approval", "allow_downgrade", "expires_at"),
    *("device", "device_type", "install_code", "join_seconds", "when", "cancel", "request_id"),
    *("signed_pre_command", "octets", "manufacturer_image_hash", "firmware_version", "model", "gbcs_version"),
    *("manufacturer_code", "image_type", "minimum_hardware_version", "status"),
]
_WORDS = [
    *(str(HCALCS.eui64), str(PPMID.eui64), "1", "2", "0", "-1", "PPMID", "HCALCS", "job", "high", "true"),
    *("2030-01-15T09:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "1e999", "nan"),
    *(f"{HCALCS.eui64}:{HCALCS.eui64}:1", "00" * 32, "AAAA", "é", "\x00", "٣", "01000001", "4.1"),
    *(HCALCS_IMAGE.manufacturer_image_hash.hex(), "83FED3407A939723A5C639B26916D505C3B5"),
]
_scalars = st.one_of(
    st.sampled_from(_WORDS),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3),
    max_leaves=6,
)
_bodies = st.one_of(
    st.dictionaries(st.sampled_from(_KEYS), _values, max_size=8),
    _values,
)
_queries = st.dictionaries(
    st.sampled_from(
        [
            "kind",
            "device",
            "after",
            "before",
            "limit",
            "newest",
            "state",
            "open",
            "wait",
            "force",
            "retired",
            "job",
        ]
    ),
    st.sampled_from(_WORDS) | st.text(max_size=8),
    max_size=3,
)


def operations(api: Bench) -> list[tuple[str, str]]:
    """Return every operation but the endless one."""
    paths: dict[str, dict[str, Any]] = api.app.openapi()["paths"]
    return sorted(
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if "stream" not in path
    )


async def prepared(api: Bench) -> list[str]:
    """Have a job, images and a product there, and return digests that exist."""
    digests = []
    for kind, file in (("HCALCS", HCALCS_IMAGE), ("PPMID", PPMID_IMAGE)):
        added = await api.post("/images", params={"kind": kind}, content=file.data)
        digests.append(added["digest"])
    await api.post("/jobs", {"image": digests[0], "devices": [str(HCALCS.eui64)]})
    return digests


@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_request_makes_hanota_fail(data: st.DataObject) -> None:
    async def ask() -> None:
        async with bench(settings=_SETTINGS) as api:
            digests = await prepared(api)
            known = operations(api)
            async with api.client(Role.ACTIVATOR) as client:
                for _ in range(6):
                    method, path = data.draw(st.sampled_from(known))
                    part = st.sampled_from([*_WORDS[:8], *digests])
                    for name in ("{device}", "{job_id}", "{digest}", "{manufacturer_image_hash}"):
                        if name in path:
                            path = path.replace(name, data.draw(part).replace("\x00", ""))
                    body = data.draw(st.binary(max_size=60) | _bodies)
                    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                    response = await client.request(
                        method,
                        path,
                        params=data.draw(_queries),
                        content=raw,
                        headers={
                            "Content-Type": data.draw(st.sampled_from(["application/json", "text/plain"]))
                        },
                    )
                    assert response.status_code < 500, (method, path, raw, response.text)
                    if path.startswith("/api/v1/service"):
                        continue
                    if response.status_code >= 400:
                        assert set(response.json()) == {"error", "hint", "code"}, response.text
            verdict = await api.audit.verify()
            assert verdict.broken is None
            await asyncio.sleep(0)

    run_virtual(ask())
