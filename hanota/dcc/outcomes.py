"""What a device's verified word on its firmware makes of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from hanota.gbcs.activate_firmware import ActivateImageResponseCode
from hanota.gbcs.alerts import ActivateImageResult
from hanota.gbcs.read_firmware_version import ReadResponseCode
from hanota.hub.jobs import JobState, Trigger

if TYPE_CHECKING:
    from hanota.eui64 import Eui64
    from hanota.gbcs.activate_firmware import ActivateFirmwareCommand, ExecutionOutcome
    from hanota.gbcs.alerts import PpmidFirmwareActivationAlert
    from hanota.gbcs.read_firmware_version import ReadFirmwareVersionResponse
    from hanota.hub.hub import Hub


class Outcomes:
    """Moves jobs; every method returns the outcome in GBCS's words."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def read(self, device: Eui64, response: ReadFirmwareVersionResponse) -> str:
        """A device that runs the job's version has activated it, though its own word of that was lost."""
        code = ReadResponseCode(response.response_code)
        if code is ReadResponseCode.SUCCESS and self._runs_what_it_was_to_activate(
            device, response.firmware_version
        ):
            self._hub.settle_activation(device, response.firmware_version)
        return code.name.lower()

    def accepted(self, device: Eui64, command: ActivateFirmwareCommand) -> str:
        """A future dated command was accepted, or a cancellation."""
        if command.is_cancellation:
            self._hub.settle(device, Trigger.ACTIVATION_CANCELLED)
            return "commandAccepted: the future dated activation is cancelled"
        return "commandAccepted: the alert 00CA follows at the execution time"

    def executed(self, device: Eui64, outcome: ExecutionOutcome) -> str:
        """CS06 was executed, now or at the time it was dated."""
        code = ActivateImageResponseCode(outcome.activate_image_response_code)
        match code:
            case ActivateImageResponseCode.SUCCESS:
                self._hub.settle_activation(device, outcome.firmware_version)
            case ActivateImageResponseCode.HASH_MISMATCH:
                self._hub.settle(device, Trigger.HASH_MISMATCH)
            case ActivateImageResponseCode.NO_IMAGE_HELD if self._runs_what_it_was_to_activate(
                device, outcome.firmware_version
            ):
                # The response to an earlier command was lost: nothing is held because it runs already.
                self._hub.settle_activation(device, outcome.firmware_version)
            case ActivateImageResponseCode.NO_IMAGE_HELD | ActivateImageResponseCode.ACTIVATION_FAILURE:
                self._hub.settle(device, Trigger.OUTCOME_FAILURE, f"CS06 outcome {code.name.lower()}")
            case _:
                assert_never(code)
        return code.name.lower()

    def ppmid_activated(self, device: Eui64, alert: PpmidFirmwareActivationAlert) -> ActivateImageResult:
        """A PPMID says how its activation ended."""
        result = ActivateImageResult(alert.activate_image_result)
        if result is ActivateImageResult.SUCCESS:
            self._hub.settle_activation(device, alert.firmware_version)
        else:
            self._hub.settle(device, Trigger.OUTCOME_FAILURE, "CS09: activation failed")
        return result

    def _runs_what_it_was_to_activate(self, device: Eui64, firmware_version: bytes) -> bool:
        job = self._hub.jobs.open_job(device)
        return (
            job is not None and job.state is JobState.ACTIVATING and firmware_version == job.firmware_version
        )
