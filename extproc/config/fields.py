"""The small notations of `gateway.yaml`: sizes, durations, addresses, rates, hosts and origins.

A validator says what it expected and no more: `load.py` adds the line, the key and what stood there.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from extproc.policy.cors import matcher

_SIZE: Final = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_SIZE_UNITS: Final = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_MAX_SIZE: Final = 2**30
_DURATION: Final = re.compile(r"(\d{1,7}(?:\.\d{1,7})?)\s*(ms|s|m|h|d)")
_DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE: Final = re.compile(r"([1-9]\d{0,8})/(s|m|h)")
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")

_A_HEADER: Final = 'a header name such as "x-user-id"'
_A_HOST: Final = '"*", or a host in lower case such as "shop.example.com" or "*.example.com", and no port'
_A_RATE: Final = 'a rate such as "10/s", "100/m" or "1000/h"'
_AN_ORIGIN: Final = (
    'an origin as browsers send it, such as "https://app.example.com" or "https://*.example.com"'
)
_AN_ADDRESS: Final = 'host:port such as "127.0.0.1:8443"'
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = rf"(?:{_LABEL}\.)*{_LABEL}"
_HOST: Final = rf"(?:\*\.)?{_NAME}|\[[0-9a-f:.]+\]|\*"
_ORIGIN: Final = re.compile(rf"(?P<scheme>https?)://(?:{_NAME}|\[[0-9a-f:.]+\])(?::(?P<port>\d{{1,5}}))?")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_FIELD_NAME: Final = r"[A-Za-z0-9!#$%&'+.^`|~-]+"  # no "_": Envoy refuses such headers

Loc = tuple[str | int, ...]


class ProblemsError(ValueError):
    """Several problems at once: for each, where it is below the value at hand, and its whole text."""

    def __init__(self, found: list[tuple[Loc, str]]) -> None:
        super().__init__("; ".join(text for _, text in found))
        self.found = found


def refuse(found: list[tuple[Loc, str]]) -> None:
    """Raise ProblemsError, if there are any."""
    if found:
        raise ProblemsError(found)


class Model(BaseModel):
    """A frozen section of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Address(Model):
    """An IP address or host name, and a port."""

    host: str
    port: int = Field(ge=0, le=65535)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ip(self) -> bool:
        return is_ip(self.host)

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for every address of the machine."""
        return self.is_ip and ipaddress.ip_address(self.host).is_unspecified

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


def is_ip(host: str) -> bool:
    """Whether `host` is an IP address, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether `host`, an IP address or a name, never leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Rate(Model):
    """So many requests in each such time."""

    requests: int
    per: timedelta


def _size(value: object) -> object:
    plain = value if isinstance(value, str) else str(value) if type(value) is int else ""
    match = _SIZE.fullmatch(plain)
    size = 0 if match is None else int(match[1]) * _SIZE_UNITS[match[2]]
    if not 0 < size <= _MAX_SIZE:
        raise ValueError('expected a size such as "64KiB" or "1MiB", up to 1GiB')
    return size


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a duration such as "250ms", "15s" or "7d"')
    return timedelta(seconds=float(match[1]) * _DURATION_UNITS[match[2]])


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("expected a duration above zero")
    return value


def _address(value: object) -> object:
    if isinstance(value, Address):
        return value
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535 or (match[1].startswith("[") and not _is_ipv6(match[1])):
        raise ValueError(f"expected {_AN_ADDRESS}")
    return Address(host=match[1].strip("[]"), port=int(match[2]))


def _is_ipv6(bracketed: str) -> bool:
    try:
        return ipaddress.ip_address(bracketed.strip("[]")).version == 6
    except ValueError:
        return False


def _unix_or_address(value: object) -> object:
    if value == "unix":
        return value
    try:
        return _address(value)
    except ValueError as error:
        raise ValueError('expected "unix", or host:port such as "127.0.0.1:9000"') from error


def _rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected {_A_RATE}")
    return Rate(requests=int(match[1]), per=timedelta(seconds=_DURATION_UNITS[match[2]]))


def _like(pattern: str, expected: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _path(value: str) -> str:
    if _PATH.fullmatch(value) is None or {".", ".."} & set(value.split("/")):
        raise ValueError('expected a path such as "/_link"')
    return value


def _link_origin(value: str) -> str:
    match = _ORIGIN.fullmatch(value)
    if match is None:
        raise ValueError('expected an origin such as "https://gw.example.com"')
    if match["port"] is not None:
        if match["port"] == _DEFAULT_PORTS[match["scheme"]]:  # clients compare it as RFC 6454, 6.2 writes it
            raise ValueError(f"expected no port ({match['port']} is {match['scheme']}'s own)")
        if not 0 < int(match["port"]) <= 65535:
            raise ValueError("expected a port from 1 to 65535")
    return value


def _cors_origin(value: str) -> str:
    try:
        matcher((value,))
    except ValueError as error:
        kind = 'a regular expression after "regex:"' if value.startswith("regex:") else _AN_ORIGIN
        raise ValueError(f"expected {kind}") from error
    return value


Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
AddressField = Annotated[Address, BeforeValidator(_address), Field(description=_AN_ADDRESS)]
ListenField = Annotated[Literal["unix"] | Address, BeforeValidator(_unix_or_address)]
RateField = Annotated[Rate, BeforeValidator(_rate), Field(description=_A_RATE)]
PathField = Annotated[str, AfterValidator(_path)]
PrefixField = Annotated[str, _like(r"/[!-\"$->@-~]*", 'a path such as "/orders"')]
HostField = Annotated[str, _like(_HOST, _A_HOST), Field(description=_A_HOST)]
DialField = Annotated[str, _like(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", "a host name or an IP address")]
UpstreamName = Annotated[str, _like(r"[A-Za-z0-9_.-]+", "a name of letters, digits, _, . and -")]
HeaderName = Annotated[str, _like(_FIELD_NAME, _A_HEADER), AfterValidator(str.lower)]
LimitKey = Annotated[
    str, _like(rf"{_FIELD_NAME}|client_address", f"client_address, or {_A_HEADER}"), AfterValidator(str.lower)
]
LinkOrigin = Annotated[str, AfterValidator(_link_origin)]
CorsOrigin = Annotated[str, AfterValidator(_cors_origin)]
