"""Downloads: asked for in order, held up, cut off, ended, and gone on with (ZCL 11.13, GBCS 11.2)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from hanota.conformance.case import BOTH, Case, Need
from hanota.conformance.faulty_radio import Delayed, Lost, Repeated, Way
from hanota.conformance.trial import ota_command, status_name
from hanota.hub.events import EventKind
from hanota.ota.commands import (
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    QueryNextImageRequest,
    UpgradeEndRequest,
    WaitForData,
)
from hanota.zcl import ClusterId, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanota.conformance.faulty_radio import Fate, Fault, RadioFrame
    from hanota.conformance.trial import Trial
    from hanota.hub.events import Event

_LOSS: Final = 10
"""One of so many Image Block Responses is lost, never two in a row."""
_SLOW: Final = 2.5
"""Seconds that a slow server takes for each answer: common clients wait for three."""
_HUB_OFF: Final = 60.0
"""Seconds without a hub: longer than a client that asks ten times goes on by itself."""
_OVERHEAD: Final = 1.2
"""Requests for each one needed, of a client that duplicates do not multiply."""
_CUT: Final = 10.0
"""Seconds without power."""


async def _notify(trial: Trial) -> None:
    trial.offer(trial.image())
    await trial.reach("the hub has sent Image Notify", lambda: trial.told(ImageNotify), 60)
    await trial.see(
        "Query Next Image Request after a unicast Image Notify",
        lambda: trial.said(QueryNextImageRequest),
        trial.patience.query,
    )


async def _query(trial: Trial) -> None:
    file = trial.image()
    trial.offer(file)
    await trial.reach("the device queries", lambda: trial.said(QueryNextImageRequest), trial.patience.query)
    _, query = trial.said(QueryNextImageRequest)[0]
    wanted = (file.header.manufacturer_code, file.header.image_type, trial.running)
    told = (query.image.manufacturer_code, query.image.image_type, query.image.file_version)
    trial.check(
        told == wanted,
        f"a query that names {_image_words(wanted)}, which the device is and runs",
        f"a query that names {_image_words(told)}",
    )


def _image_words(image: tuple[int, int, int]) -> str:
    return f"manufacturer {image[0]:04X}, image type {image[1]:04X}, version {image[2]:08X}"


async def _download(trial: Trial) -> None:
    file = await trial.begun()
    await trial.whole(file, "every octet of the image asked for, and Upgrade End Request SUCCESS")
    wanted = set(range(len(file.data)))
    for _, request in trial.said(ImageBlockRequest):
        wanted -= set(range(request.file_offset, request.file_offset + request.maximum_data_size))
    for _, page in trial.said(ImagePageRequest):
        wanted -= set(range(page.file_offset, page.file_offset + page.page_size))
    missing = f"octet {min(wanted)} was never asked for" if wanted else "every octet was asked for"
    trial.check(not wanted, "every octet of the image asked for", missing)


async def _requests(trial: Trial) -> None:
    file = trial.image()
    trial.offer(file)
    await trial.reach("the device has a whole image", trial.has_whole, trial.download_seconds(file))
    size = len(file.data)
    for frame, request in trial.block_requests():
        trial.check_silently(
            request.image == file.header.image_id,
            "block requests that name the image that was offered",
            f"one that names {request.image} (frame {frame.number})",
        )
        trial.check_silently(
            request.file_offset < size and request.maximum_data_size > 0,
            f"block requests for octets below {size}",
            f"one for {request.maximum_data_size} octets at {request.file_offset}",
        )
    trial.saw(f"{len(trial.block_requests())} block requests, all for octets of the image offered")


async def _end_early(trial: Trial) -> None:
    file = trial.image()
    trial.offer(file)
    await trial.reach(
        "the device has sent Upgrade End Request",
        lambda: trial.said(UpgradeEndRequest),
        trial.download_seconds(file),
    )
    frame, ended = trial.said(UpgradeEndRequest)[0]
    asked = max((each.number for each, _ in trial.block_requests() if each.number < frame.number), default=0)
    trial.check(
        asked,
        "no Upgrade End Request before the download",
        f"Upgrade End Request {status_name(ended.status)} "
        + (f"after block requests, the last in frame {asked}" if asked else "before any block request"),
    )


async def _resume(trial: Trial, share: float) -> None:
    file = trial.image()
    at = int(len(file.data) * share)
    await trial.begun(file, octets=at)
    reached = trial.farthest()
    since, before = trial.rig.traffic.mark, trial.rig.last_event
    await trial.rig.cut_power(trial.device, _CUT)
    trial.saw(f"power was cut for {_CUT:.0f} s at octet {reached} of {len(file.data)}")
    await trial.see(
        "the download goes on once there is power",
        lambda: trial.block_requests(since),
        trial.patience.rejoin + trial.patience.query,
    )
    _, request = trial.block_requests(since)[0]
    trial.check(
        request.file_offset > 0,
        "the download goes on behind its first octet",
        f"it goes on at octet {request.file_offset}",
    )
    await trial.whole(file, "the download ends with SUCCESS after the power cut", before)


async def _hub_restart(trial: Trial) -> None:
    file = trial.image()
    await trial.begun(file, octets=len(file.data) // 2)
    await trial.rig.restart_hub(_HUB_OFF)
    trial.saw(f"the hub was off for {_HUB_OFF:.0f} s at octet {trial.farthest()}")
    since = trial.rig.last_event
    await trial.whole(file, "the download goes on and ends with SUCCESS after the hub was off", since)


async def _wait_for_data(trial: Trial) -> None:
    file = trial.image()
    await trial.begun(file, octets=len(file.data) // 10)
    trial.rig.hub.pause([trial.device.eui64], reason="the case wait-for-data")
    await trial.reach("the hub has told WAIT_FOR_DATA", lambda: _waits(trial), trial.patience.query)
    frame, wait = _waits(trial)[0]
    seconds = wait.request_time - wait.current_time
    trial.saw(f"WAIT_FOR_DATA for {seconds} s in frame {frame.number}")

    def back() -> list[RadioFrame]:
        return [each for each, _ in trial.block_requests(frame.number + 1)]

    await trial.see("a block request after the time told", back, seconds + trial.patience.return_tolerance)
    later = back()[0].at - frame.at
    trial.check(
        later >= seconds - trial.patience.wait_tolerance,
        f"no block request within {seconds} s of WAIT_FOR_DATA",
        f"the next one after {later:.1f} s",
    )
    trial.rig.hub.go_on([trial.device.eui64])


def _waits(trial: Trial) -> list[tuple[RadioFrame, WaitForData]]:
    told = trial.told(ImageBlockResponse)
    return [(frame, command.body) for frame, command in told if isinstance(command.body, WaitForData)]


async def _abort(trial: Trial) -> None:
    file = trial.image()
    await trial.begun(file, octets=len(file.data) // 4)
    trial.rig.hub.cancel(trial.device.eui64, "the case abort")
    await trial.reach("the hub has told ABORT", lambda: _aborts(trial), trial.patience.query)
    frame = _aborts(trial)[0]
    trial.saw(f"Image Block Response ABORT in frame {frame.number}")
    await asyncio.sleep(trial.patience.silence)
    again = [each for each, _ in trial.block_requests(frame.number) if each.at > frame.at + 1]
    trial.check(
        not again,
        f"no further block request within {trial.patience.silence:.0f} s of ABORT",
        f"{len(again)} block requests after it",
    )


def _aborts(trial: Trial) -> list[RadioFrame]:
    told = trial.told(ImageBlockResponse)
    return [frame for frame, command in told if command.status == Status.ABORT]


async def _after_abort(trial: Trial) -> None:
    file = trial.image()
    await trial.begun(file, octets=len(file.data) // 4)
    trial.rig.hub.cancel(trial.device.eui64, "the case after-abort")
    await trial.reach("the hub has told ABORT", lambda: _aborts(trial), trial.patience.query)
    since = trial.rig.last_event
    trial.offer(trial.image())
    await trial.whole(file, "a download after an ABORT ends with SUCCESS", since)


async def _lost(trial: Trial) -> None:
    trial.rig.traffic.add_fault(_every_nth(trial, _LOSS, Lost))
    file = await trial.begun()
    await trial.whole(file, f"a download of which one block in {_LOSS} is lost ends with SUCCESS")


async def _duplicated(trial: Trial) -> None:
    trial.rig.traffic.add_fault(_every_nth(trial, 1, Repeated))
    file = await trial.begun()
    await trial.whole(file, "a download of which every block comes twice ends with SUCCESS")
    asked = trial.said(ImageBlockRequest)
    needed = len({request.file_offset for _, request in asked})
    trial.check(
        len(asked) <= needed * _OVERHEAD,
        f"no more block requests than the {needed} that are needed",
        f"{len(asked)} block requests for {needed} blocks",
    )


async def _slow(trial: Trial) -> None:
    trial.rig.traffic.add_fault(_every_nth(trial, 1, partial(Delayed, _SLOW)))
    file = await trial.begun()
    await trial.whole(file, f"a download whose blocks take {_SLOW} s each ends with SUCCESS")


def _every_nth(trial: Trial, n: int, fate: Callable[[], Fate]) -> Fault:
    """Return a fault of every n-th Image Block Response to the device."""
    counted = 0

    def fault(frame: RadioFrame) -> Fate | None:
        nonlocal counted
        if (frame.way, frame.device, frame.cluster) != (
            Way.TO_DEVICE,
            trial.device.eui64,
            ClusterId.OTA_UPGRADE,
        ) or not isinstance(ota_command(frame.data), ImageBlockResponse):
            return None
        counted += 1
        return fate() if counted % n == 0 else None

    return fault


async def _encrypted(trial: Trial) -> None:
    file = trial.image()
    trial.offer(file)
    await trial.reach(
        "the device has a whole image",
        lambda: trial.has_whole() or _refused(trial),
        trial.download_seconds(file),
    )
    refused = _refused(trial)
    words = f"frames were refused: {refused[0].detail.get('reason')}" if refused else "none was refused"
    trial.check(not refused, "every OTA Upgrade and Tunneling frame under APS encryption", words)


def _refused(trial: Trial) -> list[Event]:
    """Return what was refused of the device's OTA Upgrade and Tunneling frames."""
    clusters = (ClusterId.OTA_UPGRADE, ClusterId.TUNNELING)
    return [
        event for event in trial.events(EventKind.FRAME_REFUSED) if event.detail.get("cluster") in clusters
    ]


async def _tunnel(trial: Trial) -> None:
    await trial.see(
        "the device grants the tunnel that the hub requests",
        lambda: _has_tunnel(trial),
        trial.patience.rejoin,
    )


def _has_tunnel(trial: Trial) -> bool:
    kinds = (EventKind.TUNNEL_OPENED, EventKind.TUNNEL_CLOSED, EventKind.TUNNEL_FAILED)
    about = [
        event for event in trial.rig.events if event.device == trial.device.eui64 and event.kind in kinds
    ]
    return bool(about) and about[-1].kind is EventKind.TUNNEL_OPENED


DOWNLOAD_CASES: Final = (
    Case("tunnel", "A tunnel for GBCS messages is granted", BOTH, "GBCS 10.2.2", _tunnel),
    Case("image-notify", "A unicast Image Notify is answered by a query", BOTH, "ZCL 11.13.3", _notify),
    Case("query", "The query names what the device is and runs", BOTH, "ZCL 11.13.4", _query),
    Case("download", "An image is downloaded whole", BOTH, "ZCL 11.13.6, GBCS 11.2", _download),
    Case("block-requests", "Only octets of the image offered are asked for", BOTH, "ZCL 11.13.6", _requests),
    Case(
        "upgrade-end-after-download",
        "A download ends no sooner than it begins",
        BOTH,
        "ZCL 11.13.9",
        _end_early,
    ),
    Case(
        "encryption",
        "Everything is under APS encryption",
        BOTH,
        "ZSE 1.4 table 5-12",
        _encrypted,
        frozenset({Need.ENCRYPTION}),
    ),
    *(
        Case(
            f"resume-{share}",
            f"A download goes on after a power cut at {share} %",
            BOTH,
            "ZCL 11.13.6, GBCS 11.2",
            partial(_resume, share=share / 100),
            frozenset({Need.POWER}),
        )
        for share in (10, 50, 90)
    ),
    Case("hub-restart", "A download goes on when the hub was off", BOTH, "ZCL 11.13.6", _hub_restart),
    Case("wait-for-data", "WAIT_FOR_DATA is obeyed", BOTH, "ZCL 11.13.8", _wait_for_data),
    Case("abort", "ABORT ends a download", BOTH, "ZCL 11.13.8, GBCS 11.2.1", _abort),
    Case("after-abort", "After an ABORT another image is taken", BOTH, "ZCL 11.13.8", _after_abort),
    Case("lost-blocks", "Lost blocks are asked for again", BOTH, "ZCL 11.13.6", _lost),
    Case("duplicated-blocks", "Duplicates do no harm and multiply nothing", BOTH, "ZCL 11.13.8", _duplicated),
    Case("slow-server", "A slow server is waited for", BOTH, "ZCL 11.13.6", _slow),
)
