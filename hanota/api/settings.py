"""Everything about HTTP that may be set, but where it listens."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanota.api.access import AccessSettings, ClientCertificateSettings, TokenSettings
from hanota.api.delivery_settings import DeliverySettings
from hanota.api.events_stream import EventStreamSettings
from hanota.api.gateway_settings import GatewaySettings
from hanota.ota.image import ImageLimits


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """REST, the event stream, the DUIS gateway and the delivery of its documents."""

    host_names: tuple[str, ...] = ()
    """Names by which clients reach the daemon, besides `localhost`. A request that names another host is
    refused, so that no web page can reach it under a name of its own (DNS rebinding); IP addresses need no
    entry."""
    tokens: tuple[TokenSettings, ...] = ()
    """Who may use REST, by a token."""
    client_certificates: tuple[ClientCertificateSettings, ...] = ()
    """Who may use REST without a token: by the certificate, of `client_ca`, that the client shows."""
    open_metrics: bool = False
    """Whether /metrics takes no token, for a Prometheus that has none."""
    body_octets: int = 64 * 1024
    """Octets of a JSON body: a job for 100 devices has 3 kB."""
    image_octets: int = ImageLimits().total_image_size
    """Octets of an image that is sent to the library: what DUIS allows."""
    images: int = 1000
    """Images that REST adds to the library, retired ones included: each is looked at with every new one."""
    body_timeout: float = 60
    """Seconds for a body to arrive: the largest image at 170 kB/s."""
    bodies: int = 16
    """Bodies read or worked on at once; further ones are answered 503."""
    bodies_octets: int = 64 * 1024 * 1024
    """Octets of bodies held at once: some five of the largest images."""
    retry_after: int = 1
    """Seconds after which a client that was answered 503 may come again: bodies are worked on in less."""
    page: int = 200
    """Rows of a list where the client does not say how many: more than anybody reads at once."""
    largest_page: int = 1000
    """Rows of a list at most: some 500 kB of JSON, made in one turn of the event loop."""
    scanned_rows: int = 10_000
    """Rows of the journal that one search looks at: some 50 ms. What is behind them is the next page."""
    devices_per_job: int = 100
    """Devices of one request for an update: several times what one dongle has keys for."""
    version_wait: float = 60
    """Seconds that a client may have its request wait for a device's answer, at most: as proxies do."""
    audit_refusals_burst: int = 100
    """Requests without a valid token that the audit trail notes at once."""
    audit_refusals_per_second: float = 0.1
    """The same in the long run: each is a row, and anybody who reaches the port can cause one."""
    access: AccessSettings = field(default_factory=AccessSettings)
    events: EventStreamSettings = field(default_factory=EventStreamSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
