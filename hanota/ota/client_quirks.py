"""What Upgrade Clients in the field do that the standard does not say, each as something a client can act."""

from __future__ import annotations

from dataclasses import dataclass

from hanota.zcl import Status


@dataclass(frozen=True, slots=True)
class ClientQuirks:
    """Deviations of one client, all off; `hanota.ota.quirks` says who is known to have them."""

    field_control: int = 0
    """Bits set in the field control of every block request, though no field stands for them."""
    asks_full_size_at_end: bool = False
    """The last block is asked as long as the others, beyond the end of the image."""
    fixed_page_size: bool = False
    """The last page is asked as long as the others."""
    query_interval: float | None = None
    """Seconds between Query Next Image Requests that are sent whatever is under way."""
    restarts_on_timeout: bool = False
    """One block request without an answer begins the download again at its first octet."""
    upgrade_end_without_download: bool = False
    """An Image Notify is answered with an Upgrade End Request SUCCESS."""
    upgrade_end_copies: int = 1
    """Upgrade End Requests sent at once."""
    ignores_notify: bool = False
    longest_block: int | None = None
    """A longer block is dropped without a word."""
    block_multiple: int = 1
    """The image is invalid if a block before the last was no multiple of this: it is decrypted by blocks."""
    shortest_first_block: int = 0
    """A shorter first block ends the download: the header is checked as it stands in it."""
    any_sequence: bool = False
    """An answer is taken whatever its sequence number."""
    one_sequence: bool = False
    """Every request has the same sequence number."""
    no_default_response: bool = False
    erase_seconds: float = 0.0
    """Silence before the first block, while the flash is erased."""
    hold_limit: float | None = None
    """Seconds after which an image is activated though the server says to wait; it is not asked again."""
    upgrade_delay_limit: float | None = None
    """Longest time that an Upgrade Time is waited for."""
    past_upgrade_delay: float | None = None
    """Wait if an Upgrade Time is before the Current Time, where it is not `past_time_delay`."""
    unsigned_wait: bool = False
    """A Request Time before the Current Time is weeks away: the difference is unsigned."""
    ending_statuses: frozenset[int] = frozenset(
        {Status.ABORT, Status.NO_IMAGE_AVAILABLE, Status.NOT_AUTHORIZED, Status.UNSUP_CLUSTER_COMMAND}
    )
    """Statuses after which asking again is no use; any other is answered by asking again in a while."""
    query_again: float | None = None
    """Seconds from a failure to the next Query Next Image Request."""
    erases_on_failure: bool = False
    """A download that failed begins at its first octet again."""
    unexpected_status: int = Status.SUCCESS
    """The Default Response to an answer that is not waited for; none for SUCCESS."""
    retry_delay: float = 0.0
    """Pause between a time-out and the repeated request."""
    repeats_of_last_block: int = 0
    """Times that the last block is asked for again although it came."""
    out_of_order: bool = False
    """Of two blocks the second is asked for first."""
    blocks_between_saves: int = 1
    """A reboot goes back to the last multiple of so many blocks."""
    wildcards_only: bool = False
    """An Upgrade End Response that names the image, and not all images, is refused."""
