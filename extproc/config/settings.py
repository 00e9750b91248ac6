"""`gateway.yaml` as types. Reading it, with line numbers, is `load.py`; its assembly is `assembly.py`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from extproc.config import checks
from extproc.config.fields import (
    Address,
    AddressField,
    CorsOrigin,
    DialField,
    Duration,
    Flag,
    HeaderName,
    HostField,
    LimitKey,
    LinkOrigin,
    ListenField,
    Model,
    PathField,
    PositiveDuration,
    PrefixField,
    Rate,
    RateField,
    Size,
    UpstreamName,
    Whole,
    refuse,
)

__all__ = [
    "Address",
    "Cookies",
    "Cors",
    "Link",
    "Log",
    "MutualTls",
    "Processor",
    "Rate",
    "RateLimit",
    "RateLimitMatch",
    "Route",
    "Settings",
    "Tls",
    "Upstream",
]


class Tls(Model):
    """A certificate chain and its key, PEM files."""

    certificate: Path = Field(description="the certificate chain, a PEM file")
    private_key: Path = Field(description="its private key, a PEM file")


class MutualTls(Tls):
    """Both ends of the hop between Envoy and a worker show a certificate that `ca` has signed."""

    ca: Path = Field(description="the certificate authority of both ends, a PEM file")


class Link(Model):
    origins: tuple[LinkOrigin, ...] = Field(
        min_length=1, description='the link\'s names, such as ["https://gw.example.com"]'
    )
    path: PathField = "/_link"
    keys: Path = Path("keys")
    replay: Literal["memory", "lmdb"] = "lmdb"
    replay_capacity: Whole = Field(default=4_000_000, gt=0)  # exchange ids held at once
    max_request: Size = 2**20
    max_response: Size = 8 * 2**20
    whole_limit: Size = 2**16  # an answer up to this is answered whole, a longer one as a stream
    max_streams: Whole = Field(default=1024, gt=0)  # streamed exchanges at once, over all workers
    stream_buffer: Size = 2**18  # what a hop holds of one exchange, each way, before it slows the sender
    padding: Literal["none", "padme"] = "none"
    allow_encoded_slash: Flag = False

    @field_validator("origins")
    @classmethod
    def _once(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        refuse(checks.repeated(origins))
        return origins

    @field_validator("whole_limit")
    @classmethod
    def _within_response(cls, limit: int, info: ValidationInfo) -> int:
        checks.whole_limit(limit, info.data.get("max_response"))
        return limit

    @field_validator("stream_buffer")
    @classmethod
    def _bounded(cls, size: int) -> int:
        checks.stream_buffer(size)
        return size

    @property
    def stream_path(self) -> str:
        """Where streamed requests go (section 10)."""
        return f"{self.path}/stream"


class Processor(Model):
    """Where the workers listen. Unix sockets in `state_dir`, or TCP: worker i on port + i."""

    listen: ListenField = "unix"
    dial: DialField | None = None  # the host that Envoy dials, when it is not the one listened on
    tls: MutualTls | None = None
    plain_tcp: Flag = False  # plain TCP off loopback, on a network that is trusted otherwise
    transport: Literal["auto", "wire", "grpcio"] = "auto"  # what carries the messages
    message_timeout: PositiveDuration = timedelta(seconds=5)
    cores: tuple[Whole, ...] = ()  # worker i runs on core i, and so round; none: wherever the system likes

    @model_validator(mode="after")
    def _consistent(self) -> Processor:
        refuse(checks.processor(self))
        return self

    @property
    def is_wire(self) -> bool:
        """Whether the messages come over `server/wire`, and not over grpcio."""
        return self.transport == "wire" or (self.transport == "auto" and self.listen == "unix")


class Upstream(Model):
    endpoints: tuple[AddressField, ...] = Field(
        min_length=1, description='where it listens, such as ["127.0.0.1:8080"]'
    )
    tls: Flag = False
    sni: str | None = None
    ca: Path = Path("/etc/ssl/certs/ca-certificates.crt")  # there in Debian, Alpine, Arch, Envoy's image
    http2: Flag = False
    health_check: PrefixField | None = None  # a path that answers 200
    connect_timeout: PositiveDuration = timedelta(seconds=2)
    idle_timeout: Duration = timedelta(seconds=15)
    max_connections: Whole = Field(default=1024, gt=0)
    max_requests: Whole = Field(default=1024, gt=0)
    max_pending: Whole = Field(default=1024, gt=0)
    panic_threshold: Whole = Field(default=50, ge=0, le=100)  # percent of healthy hosts

    @model_validator(mode="after")
    def _consistent(self) -> Upstream:
        refuse(checks.upstream(self))
        return self


class Route(Model):
    host: HostField
    prefix: PrefixField = "/"
    upstream: str = Field(description="the name of an upstream")
    access: Literal["sealed", "any"] = "sealed"
    origins: tuple[CorsOrigin, ...] | None = None  # narrows `cors.origins`
    idle_timeout: Duration | None = None  # the upstream's, unless given
    live: Flag = False  # no idle time-out at all: answers that may be silent for hours, such as events
    websocket: Flag = False  # plain requests of an `any` route only

    @model_validator(mode="after")
    def _consistent(self) -> Route:
        refuse(checks.route(self))
        return self


class Cors(Model):
    origins: tuple[CorsOrigin, ...] = ()  # exact, "https://*.example.com", or "regex:https://..."
    headers: tuple[HeaderName, ...] = ()  # request headers beyond content-type
    expose: tuple[HeaderName, ...] = ()
    credentials: Flag = False
    max_age: Duration = timedelta(hours=1)


class Cookies(Model):
    mode: Literal["sealed", "plain", "inside"] = "sealed"
    same_site: Literal["Strict", "Lax", "None"] | None = None
    secure: Flag | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Cookies:
        refuse(checks.cookies(self))
        return self


class RateLimitMatch(Model):
    host: HostField | None = None
    prefix: PrefixField = "/"


class RateLimit(Model):
    """At most `limit` requests for each distinct value of `by`, in each Envoy."""

    match: RateLimitMatch = RateLimitMatch()
    by: tuple[LimitKey, ...] = ()  # inner headers; empty: all together
    limit: RateField


class Log(Model):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: str = "/dev/stdout"  # Envoy's access log; "" turns it off


class Settings(Model):
    """The whole file. Relative paths are relative to `folder`, the file's own.

    A validator sees the fields above its own, as far as they are valid: hence the order.
    """

    listen: AddressField
    tls: Tls | None = None
    admin: AddressField = Address(host="127.0.0.1", port=9901)
    state_dir: Path = Path("state")
    drain: Duration = timedelta(seconds=15)
    trusted_hops: Whole = Field(default=0, ge=0)
    workers: Whole = Field(default=2, ge=1, le=64)
    link: Link = Field(description='the link, such as { origins: ["https://gw.example.com"] }')
    processor: Processor = Processor()
    upstreams: dict[UpstreamName, Upstream] = Field(
        description='the services behind the link, such as { shop: { endpoints: ["127.0.0.1:8080"] } }'
    )
    cors: Cors = Cors()
    routes: tuple[Route, ...] = Field(
        min_length=1, description="a list of { host: ..., prefix: ..., upstream: ... }"
    )
    cookies: Cookies = Cookies()
    rate_limits: tuple[RateLimit, ...] = ()
    filters: Path | None = None  # a YAML list of Envoy HTTP filters, run on the inner request
    log: Log = Log()
    folder: Path = Field(default=Path(), exclude=True)

    @field_validator("listen", "admin")
    @classmethod
    def _bindable(cls, address: Address) -> Address:
        if not address.is_ip and not address.is_loopback:
            raise ValueError('expected an IP address and port such as "127.0.0.1:8443"')
        return address

    @field_validator("admin")
    @classmethod
    def _private(cls, admin: Address, info: ValidationInfo) -> Address:
        checks.admin(admin, info.data.get("listen"))
        return admin

    @field_validator("link")
    @classmethod
    def _shared_memory(cls, link: Link, info: ValidationInfo) -> Link:
        refuse(checks.replay(link, info.data.get("workers")))
        return link

    @field_validator("processor")
    @classmethod
    def _enough_ports(cls, processor: Processor, info: ValidationInfo) -> Processor:
        refuse(checks.ports(processor, info.data.get("workers")))
        return processor

    @field_validator("routes")
    @classmethod
    def _routable(cls, routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
        refuse(
            checks.routes(routes, info.data.get("upstreams"), info.data.get("link"), info.data.get("cors"))
        )
        return routes

    @field_validator("cookies")
    @classmethod
    def _unmixed(cls, cookies: Cookies, info: ValidationInfo) -> Cookies:
        refuse(checks.shared_jar(cookies, info.data.get("routes")))
        return cookies

    @field_validator("rate_limits")
    @classmethod
    def _reachable(cls, limits: tuple[RateLimit, ...], info: ValidationInfo) -> tuple[RateLimit, ...]:
        refuse(checks.rate_limits(limits, info.data.get("routes")))
        return limits

    def path(self, path: Path) -> Path:
        """`path` as this process reaches it."""
        return self.folder / path.expanduser()
