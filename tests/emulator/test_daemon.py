"""The daemon on an emulated dongle: HTTP on a real socket, devices updated, an orderly end."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from hanota.clock import LoopClock
from hanota.config.load import load_settings
from hanota.daemon.daemon import Daemon
from hanota.daemon.emulated import lab_keys
from hanota.daemon.lab import Lab
from hanota.emulator.emulation.entries import default_han
from hanota.emulator.emulation.han import Han
from hanota.emulator.emulation.ports import tcp_port
from hanota.errors import ConfigError, StoreError
from hanota.gbcs.reference_test_data import HCALCS, PPMID
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from tests.daemon_support import NEW, bench_settings, run_scaled, running_daemon

if TYPE_CHECKING:
    from pathlib import Path

    from hanota.hub.events import Event


@pytest.mark.parametrize("radio", ["znp", "ezsp"])
def test_devices_join_and_are_updated_over_rest(radio: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_daemon(bench_settings(tmp_path, radio)) as bench:
            ready = await bench.client.get(f"{bench.daemon.url}/ready")
            assert (ready.status_code, ready.json()["ready"]) == (200, True)
            await bench.until_ready(PPMID, HCALCS)
            jobs = {kind: await bench.update(kind) for kind in (JobKind.PPMID, JobKind.HCALCS)}
            await bench.until_state(jobs[JobKind.HCALCS], "held")
            await bench.post(f"/jobs/{jobs[JobKind.HCALCS]}/activate", json={})
            for job in jobs.values():
                await bench.until_state(job, "activated")
            devices = {each["device"]: each for each in (await bench.get("/devices"))["devices"]}
            assert [devices[str(device)]["firmware_version"] for device in (PPMID, HCALCS)] == [NEW, NEW]
            assert await bench.events("gbcs.refused") == []
            metrics = (await bench.client.get(f"{bench.daemon.url}/metrics")).text
            assert 'hanota_jobs_ended_total{state="activated"} 2.0' in metrics
            assert 'hanota_radio_state{state="online"} 1.0' in metrics
            assert "hanota_image_octets_total 1" in metrics

    run_scaled(main())


def test_a_restarted_bench_goes_on_where_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        settings = bench_settings(tmp_path)
        async with running_daemon(settings) as bench:
            await bench.until_ready(PPMID, HCALCS)
        async with running_daemon(settings) as bench:
            await bench.until_ready(PPMID, HCALCS)
            kinds = [event["kind"] for event in await bench.events()]
        assert kinds.count("daemon.started") == 2
        assert kinds.count("device_log.added") == 2
        assert kinds.count("key_establishment.established") == 2
        assert kinds.index("daemon.stopping") < len(kinds) - 1 - kinds[::-1].index("daemon.started")

    run_scaled(main())


def test_a_device_that_has_not_joined_yet_may_still_do_so_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        settings = bench_settings(tmp_path)
        async with running_daemon(settings):
            pass  # ends before anybody has joined
        async with running_daemon(settings) as bench:
            await bench.until_ready(PPMID, HCALCS)
            assert len(await bench.events("device_log.added")) == 2
            assert len(await bench.events("han.join_permitted")) == 4
        async with running_daemon(settings) as bench:
            assert len(await bench.events("han.join_permitted")) == 4

    run_scaled(main())


def test_an_emulated_bench_without_a_memory_begins_anew(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "bench.toml").write_text(
            'radio = { url = "znp+emulator://bench" }\nkeys = { lab = "lab" }\napi = { port = 0 }\n'
        )
        for _ in range(2):
            async with running_daemon(load_settings(tmp_path / "bench.toml")) as bench:
                await bench.until_ready(PPMID, HCALCS)

    run_scaled(main())


def test_a_daemon_and_an_emulated_dongle_elsewhere_know_each_other_by_their_lab(tmp_path: Path) -> None:
    async def main() -> None:
        file = default_han(2)
        clock = LoopClock(asyncio.get_running_loop(), 1.8e9)
        # The dongle's program is started first: it makes the lab.
        keys = lab_keys(file, Lab.at(tmp_path / "lab"))
        han = Han(file, "znp", keys=keys, clock=clock, tell=lambda *_: None)
        async with AsyncExitStack() as stack:
            stack.callback(han.switch_off)
            port = await stack.enter_async_context(tcp_port(han.dongle.line, "127.0.0.1", 0))
            living = asyncio.create_task(han.run())
            stack.callback(living.cancel)
            (tmp_path / "bench.toml").write_text(
                f"""
                radio = {{ url = "znp+{port.name.replace("tcp:", "socket:")}" }}
                keys = {{ lab = "lab", hub = "{file.dongle.eui64}" }}
                api = {{ port = 0 }}
                [[devices]]
                eui64 = "{PPMID}"
                device_type = "PPMID"
                install_code = "{(file.devices[0].install_code or b"").hex()}"
                """
            )
            bench = await stack.enter_async_context(running_daemon(load_settings(tmp_path / "bench.toml")))
            await bench.until_ready(PPMID)
            job = await bench.update(JobKind.PPMID)
            await bench.until_state(job, "activated")
            verified = [event["verified"] for event in await bench.events("gbcs.received")]
            assert verified == ["signature", "signature"]

    run_scaled(main())


def test_a_second_daemon_on_the_same_database_is_refused_with_words(tmp_path: Path) -> None:
    async def main() -> None:
        settings = bench_settings(tmp_path)
        async with running_daemon(settings):
            with pytest.raises(StoreError, match="is driving this database") as caught:
                async with running_daemon(settings):
                    pass
            assert caught.value.hint == "stop that one first, or name another database"

    run_scaled(main())


def test_a_port_in_use_is_told_and_leaves_nothing_running(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_daemon(bench_settings(tmp_path)) as bench:
            port = httpx.URL(bench.daemon.url).port
            other = tmp_path / "other"
            other.mkdir()
            (other / "bench.toml").write_text(
                f"""
                radio = {{ url = "znp+emulator://other" }}
                keys = {{ lab = "lab" }}
                api = {{ port = {port} }}
                """
            )
            with pytest.raises(
                ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"
            ):
                async with running_daemon(load_settings(other / "bench.toml")):
                    pass

    run_scaled(main())


def test_keys_of_another_hub_are_refused_with_both_names(tmp_path: Path) -> None:
    more = "\n[keys]\nlab = 'lab'\nhub = '00-DB-12-34-56-78-90-AF'\n[radio]\nlink_security = 'install-code'\n"
    text = f"{more}url = 'znp+emulator://bench'\n[api]\nport = 0\n"
    (tmp_path / "bench.toml").write_text(text)

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"00-DB-12-34-56-78-90-A2, the hub's keys are of .*-AF"):
            async with Daemon(load_settings(tmp_path / "bench.toml")):
                pass

    run_scaled(main())


def test_a_lost_dongle_is_no_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with running_daemon(bench_settings(tmp_path, more="control = 'han.sock'\n")) as bench:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "han.sock")

            async def command(name: str) -> None:
                writer.write(json.dumps({"command": name}).encode() + b"\n")
                assert json.loads(await reader.readline()) == {"ok": True}

            async def is_ready(*, wanted: bool) -> bool:
                answer = await bench.client.get(f"{bench.daemon.url}/ready")
                assert answer.status_code == (200 if answer.json()["ready"] else 503)
                return bool(answer.json()["ready"] is wanted)

            await command("unplug")
            await bench.until(partial(is_ready, wanted=False))
            assert bench.daemon.parts.probe.look().faults == ("the coordinator is lost",)
            await command("plug")
            await bench.until(partial(is_ready, wanted=True))
            writer.close()

    run_scaled(main())


def test_an_event_stream_ends_with_the_daemon_and_does_not_hold_it_up(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            bench = await stack.enter_async_context(running_daemon(bench_settings(tmp_path)))
            streamed: list[str] = []
            headers = bench.client.headers

            async def read() -> None:
                url = f"{bench.daemon.url}/api/v1/events/stream"
                async with httpx.AsyncClient(headers=headers) as client, client.stream("GET", url) as stream:
                    streamed.extend([line async for line in stream.aiter_lines()])

            reading = asyncio.create_task(read())
            await bench.until_ready(PPMID)
            before = loop.time()
            await stack.aclose()
            await reading
        assert loop.time() - before < bench.daemon.parts.settings.daemon.drain_timeout
        assert any("key_establishment.established" in line for line in streamed)

    run_scaled(main())


def test_each_start_and_stop_is_in_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        settings = bench_settings(tmp_path)
        async with running_daemon(settings) as bench:
            seen: list[Event] = []
            bench.daemon.parts.journal.subscribe(seen.append)
            [started] = await bench.events("daemon.started")
            assert bench.daemon.url in str(started)
        assert [event.kind for event in seen][:1] == [EventKind.DAEMON_STOPPING]

    run_scaled(main())
