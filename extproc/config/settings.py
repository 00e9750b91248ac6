"""`gateway.yaml` as types. Reading it, with line numbers, is `load.py`; its assembly is `assembly.py`."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"(\d+)/(s|m|h)")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})")


def _size(value: object) -> object:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise ValueError('expected a size such as "64KiB" or "1MiB"')
    return int(match[1]) * _SIZE_UNITS[match[2]]


def _duration(value: object) -> object:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a duration such as "250ms", "15s" or "7d"')
    return timedelta(seconds=float(match[1]) * _DURATION_UNITS[match[2]])


def _address(value: object) -> object:
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected host:port such as "127.0.0.1:8443"')
    return {"host": match[1].strip("[]"), "port": int(match[2])}


def _rate(value: object) -> object:
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError('expected a rate such as "10/s", "100/m" or "1000/h"')
    return {"requests": int(match[1]), "per": timedelta(seconds=_DURATION_UNITS[match[2]])}


class Model(BaseModel):
    """Strict and frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Address(Model):
    host: str
    port: int = Field(ge=0, le=65535)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Rate(Model):
    requests: int
    per: timedelta


Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
AddressField = Annotated[Address, BeforeValidator(_address)]
RateField = Annotated[Rate, BeforeValidator(_rate)]


class Tls(Model):
    """A certificate chain and its key, PEM files."""

    certificate: Path
    private_key: Path


class MutualTls(Tls):
    """Both ends of the hop between Envoy and a worker show a certificate that `ca` has signed."""

    ca: Path


class Link(Model):
    origins: tuple[str, ...] = Field(min_length=1)
    path: str = Field(default="/_link", pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    keys: Path = Path("keys")
    replay: Literal["memory", "lmdb"] = "lmdb"
    replay_capacity: int = Field(default=4_000_000, gt=0)  # exchange ids held at once
    max_request: Size = 2**20
    max_response: Size = 8 * 2**20
    padding: Literal["none", "padme"] = "none"
    allow_encoded_slash: bool = False

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", origin):
                raise ValueError(f'expected an origin such as "https://gw.example.com", not {origin!r}')
        return value


class Processor(Model):
    """Where the workers listen. Unix sockets in `state_dir`, or TCP: worker i on port + i."""

    listen: Literal["unix"] | AddressField = "unix"
    dial: str | None = None  # the host that Envoy dials, when it is not the one listened on
    tls: MutualTls | None = None
    plain_tcp: bool = False  # plain TCP off loopback, on a network that is trusted otherwise
    message_timeout: Duration = timedelta(seconds=5)


class Upstream(Model):
    endpoints: tuple[AddressField, ...] = Field(min_length=1)
    tls: bool = False
    sni: str | None = None
    http2: bool = False
    health_check: str | None = None  # a path that answers 200
    connect_timeout: Duration = timedelta(seconds=2)
    idle_timeout: Duration = timedelta(seconds=15)
    max_connections: int = Field(default=1024, gt=0)
    max_requests: int = Field(default=1024, gt=0)
    max_pending: int = Field(default=1024, gt=0)
    panic_threshold: int = Field(default=50, ge=0, le=100)  # percent of healthy hosts


class Route(Model):
    host: str
    prefix: str = Field(default="/", pattern=r"^/")
    upstream: str
    access: Literal["sealed", "any"] = "sealed"
    origins: tuple[str, ...] | None = None  # narrows `cors.origins`
    idle_timeout: Duration | None = None  # the upstream's, unless given
    websocket: bool = False  # plain requests of an `any` route only


class Cors(Model):
    origins: tuple[str, ...] = ()  # exact, "https://*.example.com", or "regex:https://..."
    headers: tuple[str, ...] = ()  # request headers beyond content-type
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: Duration = timedelta(hours=1)

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin in {"*", "null"}:
                raise ValueError(f'{origin!r} is never allowed; expected "https://app.example.com"')
        return value


class Cookies(Model):
    mode: Literal["sealed", "plain", "inside"] = "sealed"
    same_site: Literal["Strict", "Lax", "None"] | None = None
    secure: bool | None = None


class RateLimitMatch(Model):
    host: str | None = None
    prefix: str = Field(default="/", pattern=r"^/")


class RateLimit(Model):
    """At most `limit` requests for each distinct value of `by`, in each Envoy."""

    match: RateLimitMatch = RateLimitMatch()
    by: tuple[str, ...] = ()  # inner header names, or "client_address"; empty: all together
    limit: RateField


class Log(Model):
    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: str = "/dev/stdout"  # Envoy's access log; "" turns it off


class Settings(Model):
    """The whole file. Relative paths are relative to `folder`, the file's own."""

    listen: AddressField
    tls: Tls | None = None
    admin: AddressField = Address(host="127.0.0.1", port=9901)
    state_dir: Path = Path("state")
    drain: Duration = timedelta(seconds=15)
    trusted_hops: int = Field(default=0, ge=0)
    workers: int = Field(default=2, ge=1, le=64)
    link: Link
    processor: Processor = Processor()
    upstreams: dict[str, Upstream]
    routes: tuple[Route, ...] = Field(min_length=1)
    cors: Cors = Cors()
    cookies: Cookies = Cookies()
    rate_limits: tuple[RateLimit, ...] = ()
    filters: Path | None = None  # a YAML list of Envoy HTTP filters, run on the inner request
    log: Log = Log()
    folder: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        for number, route in enumerate(self.routes):
            if route.upstream not in self.upstreams:
                names = ", ".join(self.upstreams)
                raise ValueError(f"routes.{number}.upstream: expected one of {names}, not {route.upstream!r}")
        if self.link.replay == "memory" and self.workers > 1:
            raise ValueError("link.replay: expected lmdb with several workers, since memory is not shared")
        return self

    def path(self, path: Path) -> Path:
        """`path` as this process reaches it."""
        return self.folder / path.expanduser()
