"""A run of the suite: each case from a known state, its verdict, and the end of a bench that is broken."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hanota.bench.errors import BenchError
from hanota.conformance.artifacts import CaseArtifacts
from hanota.conformance.case import Case, CaseResult, Need, Verdict
from hanota.conformance.errors import (
    CaseFailedError,
    NotApplicableError,
    NotReachedError,
    RigTimeoutError,
)
from hanota.conformance.images import MadeImages
from hanota.conformance.trial import Patience, Trial
from hanota.conformance.version import running_version
from hanota.errors import HanotaError, RadioError, StoreError
from hanota.hub.events import EventKind
from hanota.hub.jobs import JobKind
from hanota.ota.image import IMAGE_TYPE_HCALCS, IMAGE_TYPE_PPMID
from hanota.radio.settings import LinkSecurity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanota.conformance.images import Images
    from hanota.conformance.rig import Rig, RigDevice

_DEFAULT_MANUFACTURER: Final = 0x121D
_IMAGE_TYPES: Final = {JobKind.PPMID: IMAGE_TYPE_PPMID, JobKind.HCALCS: IMAGE_TYPE_HCALCS}
"""What a device is taken for that tells nothing of itself: that of the DCC's samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """How the suite is run."""

    images: Images | None = None
    """The maker's; None: made ones, which only emulated devices take."""
    image_size: int = 8 * 1024
    """Octets of a made Manufacturer Image."""
    patience: Patience = field(default_factory=Patience)
    long: bool = False
    """Whether hours of the device's time are to be had."""
    downgrade_allowed: bool = False
    """Whether the maker's policy is to take an image of a lower version: then that is told, and no fault."""
    power_cycle: bool = True
    """Whether each case begins with the device's power cut, where it can be: what one case has left in its
    memory is not another's fault."""
    broken_after: int = 3
    """Cases in a row whose bench failed, after which the rest is not run."""


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """What came of a run."""

    device: str
    kind: JobKind
    radio: str
    seed: int | None
    firmware: str
    """The version that the device ran at first, 8 hex digits; empty where it did not tell."""
    started: float
    """Unix seconds, of the device's time."""
    seconds: float
    results: Sequence[CaseResult]

    def count(self, verdict: Verdict) -> int:
        """Return how many cases ended so."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def exit_status(self) -> int:
        """0: all passed that apply; 1: some failed; 3: none failed, and some could not be judged."""
        if self.count(Verdict.FAILED):
            return 1
        return 3 if self.count(Verdict.INCONCLUSIVE) + self.count(Verdict.NOT_RUN) else 0


class Suite:
    """The cases of one device on one rig, in order."""

    def __init__(self, rig: Rig, device: RigDevice, options: SuiteOptions | None = None) -> None:
        self._rig, self._device, self._options = rig, device, options or SuiteOptions()
        self._images = self._options.images
        self._first: int | None = None
        """The version that the device ran when the run began."""
        self._running: int | None = None
        self._broken = ""

    async def run(
        self,
        cases: Sequence[Case],
        told: Callable[[CaseResult], None] = lambda _: None,
        begins: Callable[[Case, int, int], None] = lambda *_: None,
    ) -> SuiteReport:
        """Run the cases and return what came of them; `told` hears of each as it ends.

        `begins` hears of each that is run as it begins: which of how many it is, from 1.
        """
        started = self._rig.clock.now()
        due, number = sum(self._missing(case) is None for case in cases), 0
        results: list[CaseResult] = []
        failures_of_bench = 0
        for case in cases:
            if self._missing(case) is None and not self._broken:
                number += 1
                begins(case, number, due)
            result = await self._result(case)
            # A single lost dongle may come back; one that fails case after case is broken.
            failures_of_bench = failures_of_bench + 1 if result.of_bench else 0
            if failures_of_bench >= self._options.broken_after and not self._broken:
                self._broken = result.reason
            results.append(result)
            told(result)
        rig = self._rig
        return SuiteReport(
            device=str(self._device.eui64),
            kind=self._device.kind,
            radio=rig.radio_url,
            seed=rig.options.seed,
            firmware="" if self._first is None else f"{self._first:08X}",
            started=started,
            seconds=rig.clock.now() - started,
            results=results,
        )

    async def _result(self, case: Case) -> CaseResult:
        started = self._rig.clock.now()
        missing = self._missing(case)
        if missing is not None:
            return replace(missing, started=started)
        if self._broken:
            return CaseResult(case, Verdict.NOT_RUN, "the bench is broken", self._broken, started=started)
        artifacts = CaseArtifacts.begin(self._rig, case.name)
        trial: Trial | None = None
        try:
            trial = await self._prepared()
            await case.run(trial)
            result = CaseResult(case, Verdict.PASSED)
        except CaseFailedError as error:
            result = CaseResult(case, Verdict.FAILED, str(error), expected=error.expected, seen=error.seen)
        except NotApplicableError as error:
            result = CaseResult(case, Verdict.NOT_APPLICABLE, str(error), error.hint or "")
        except NotReachedError as error:
            result = CaseResult(case, Verdict.INCONCLUSIVE, str(error), error.hint or "")
        except (BenchError, RadioError, StoreError) as error:
            reason = f"the bench failed: {error}"
            result = CaseResult(case, Verdict.INCONCLUSIVE, reason, error.hint or "", of_bench=True)
            if isinstance(error, BenchError | StoreError):
                self._broken = str(error)
        except HanotaError as error:
            result = CaseResult(case, Verdict.INCONCLUSIVE, str(error), error.hint or "")
        finally:
            self._rig.traffic.clear_faults()
        if trial is not None:
            self._running = trial.running
        return replace(
            result,
            evidence=() if trial is None else tuple(trial.evidence),
            started=started,
            seconds=self._rig.clock.now() - started,
            artifacts=artifacts.keep(result),
        )

    def _missing(self, case: Case) -> CaseResult | None:
        """Return the result of a case that is not for this device or this bench, None for one that is."""
        rig, device = self._rig, self._device
        reason, hint = "", ""
        if device.kind not in case.kinds:
            reason = f"it is for {' and '.join(sorted(case.kinds))}, this is a {device.kind}"
            hint = "name a device of that kind with --device"
        elif Need.POWER in case.needs and device.power is None:
            reason = "the device's power cannot be switched"
            hint = "give the device `power` in the file of --bench"
        elif Need.HOURS in case.needs and not self._options.long and device.emulated is None:
            reason, hint = "it takes hours", "run it with --long"
        elif Need.ENCRYPTION in case.needs and rig.security is LinkSecurity.NONE:
            reason = "the bench's devices secure nothing by link keys"
            hint = "give the bench file another radio.link_security"
        else:
            return None
        return CaseResult(case, Verdict.NOT_APPLICABLE, reason, hint)

    # -- the known state -----------------------------------------------------------------------------------

    async def _prepared(self) -> Trial:
        """Reach where the device is on the HAN, nothing is under way, and its version is known."""
        rig, device, options = self._rig, self._device, self._options
        rig.traffic.clear_faults()
        await rig.ensure_hub()
        await self._quiet()
        await rig.join(device)
        if options.power_cycle and device.power is not None:
            await rig.cut_power(device)
            await rig.back(device)
        told = await running_version(rig, device, options.patience.response)
        self._running = self._running if told is None else told
        self._first = self._running if self._first is None else self._first
        if self._running is None:
            raise NotReachedError(
                "the device tells no version, neither by CurrentFileVersion nor by CS08",
                hint="its certificates have to be in the bench's keystore for CS08 to be verified",
            )
        if self._images is None:
            self._images = self._made_images()
        return Trial(
            rig,
            device,
            self._images,
            running=self._running,
            patience=options.patience,
            downgrade_allowed=options.downgrade_allowed,
        )

    async def _quiet(self) -> None:
        """End what the case before left: the device hears ABORT where it downloads."""
        rig, device = self._rig, self._device
        job = rig.job(device)
        if job is None or job.state.is_end:
            return
        since = rig.last_event
        rig.hub.go_on([device.eui64])
        rig.hub.cancel(device.eui64, "the next case begins")
        if not job.has_image:
            with suppress(RigTimeoutError):
                await rig.until(
                    lambda: rig.seen(EventKind.TRANSFER_ABORTED, device, since=since), _ABORT_SECONDS
                )
        await asyncio.sleep(_QUIET_SECONDS)

    def _made_images(self) -> MadeImages:
        told = self._rig.seen(EventKind.CLIENT_ATTRIBUTES, self._device)
        detail = told[-1].detail if told else {}
        manufacturer, image_type = detail.get("manufacturer_id"), detail.get("image_type_id")
        return MadeImages(
            kind=self._device.kind,
            manufacturer_code=manufacturer if isinstance(manufacturer, int) else _DEFAULT_MANUFACTURER,
            image_type=image_type if isinstance(image_type, int) else _IMAGE_TYPES[self._device.kind],
            key=self._rig.supplier_key,
            size=self._options.image_size,
            seed=self._rig.options.seed,
        )


_ABORT_SECONDS: Final = 15.0
"""For a device that downloads to hear ABORT: it asks every second or so."""
_QUIET_SECONDS: Final = 2.0
"""For what is on the air to arrive."""
