"""The cookie algorithms of RFC 6265, sections 5.1 to 5.3, as a user agent runs them.

SameSite is RFC 6265bis's, as is the refusal of control characters: browsers have long followed it there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

SameSite = Literal["Strict", "Lax", "None"]

# The last second that a cookie date can say; a later expiry is this one (section 5.2.2).
LATEST: Final = 253_402_300_799

_WSP: Final = b" \t"
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_AGE: Final = re.compile(rb"(-?)(\d+)")
_DELIMITERS: Final = re.compile(rb"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
# In the order in which section 5.1.1 tries them. After a number stands anything but a digit.
_DATE_FIELDS: Final = {
    "time": re.compile(rb"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)"),
    "day": re.compile(rb"(\d{1,2})(?!\d)"),
    "month": re.compile(rb"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.IGNORECASE),
    "year": re.compile(rb"(\d{2,4})(?!\d)"),
}
_MONTHS: Final = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
# An IPv6 address, or a name whose last label is a number: the URL standard reads those as IPv4 addresses.
_ADDRESS: Final = re.compile(r".*:.*|(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_SAME_SITE: Final[dict[bytes, SameSite]] = {b"strict": "Strict", b"lax": "Lax", b"none": "None"}


class SetCookieError(ValueError):
    """A set-cookie line that sets nothing. The text says why, without a value."""


class Attribute(NamedTuple):
    """An attribute of a set-cookie line: its name in lower case, its value, and both as they were written."""

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class SetCookie:
    """A set-cookie line as section 5.2 reads it. What it means for a request is asked of its methods."""

    name: bytes
    value: bytes = field(repr=False)
    attributes: tuple[Attribute, ...]

    def has(self, name: bytes) -> bool:
        return any(attribute.name == name for attribute in self.attributes)

    def last(self, name: bytes) -> bytes:
        """The value that counts of those given for `name`; empty when there is none."""
        return next(reversed(self._values(name)), b"")

    def domain(self, host: str) -> tuple[str, bool]:
        """The cookie's domain, and whether it is for that host alone (section 5.3, steps 4 to 6).

        Raises SetCookieError when `host` may not set it. A single label counts as a public suffix.
        """
        given = next((value for value in reversed(self._values(b"domain")) if value), b"")
        domain = given.removeprefix(b".").lower().decode("latin-1")
        if not domain or ("." not in domain and domain == host):
            return host, True
        if "." not in domain or not domain_match(host, domain):
            raise SetCookieError("its Domain does not match the host")
        return domain, False

    def path(self, request_path: str) -> str:
        """The cookie's path: the last given (section 5.2.4), else the request's default-path."""
        given = self.last(b"path")
        return given.decode("latin-1") if given.startswith(b"/") else default_path(request_path)

    def max_age(self) -> int | None:
        """Seconds, 0 for the past (section 5.2.2)."""
        matches = [_MAX_AGE.fullmatch(value) for value in self._values(b"max-age")]
        last = next((match for match in reversed(matches) if match), None)
        if last is None:
            return None
        digits = last[2].lstrip(b"0")
        if last[1] or not digits:
            return 0
        return int(digits) if len(digits) < len(str(LATEST)) else LATEST

    def expires(self) -> int | None:
        """Unix seconds (section 5.2.1)."""
        dates = [parse_date(value) for value in self._values(b"expires")]
        return next((date for date in reversed(dates) if date is not None), None)

    def expires_at(self, now: int) -> int | None:
        """Unix seconds, Max-Age before Expires; None for the end of the session (section 5.3, step 3)."""
        age = self.max_age()
        return self.expires() if age is None else min(now + age, LATEST)

    def same_site(self) -> SameSite | None:
        return _SAME_SITE.get(self.last(b"samesite").lower())

    def _values(self, name: bytes) -> list[bytes]:
        return [attribute.value for attribute in self.attributes if attribute.name == name]


def parse_set_cookie(line: bytes) -> SetCookie:
    """Section 5.2. Raises SetCookieError for a line without a name, or with control characters."""
    if _CONTROLS.search(line):
        raise SetCookieError("it has a control character")
    name, equals, value = line.partition(b";")[0].partition(b"=")
    if not equals or not name.strip(_WSP):
        raise SetCookieError("it has no name")
    return SetCookie(name.strip(_WSP), value.strip(_WSP), attributes(line))


def attributes(line: bytes) -> tuple[Attribute, ...]:
    """The attributes of a set-cookie line, in order, whatever else is wrong with it."""
    found = []
    for raw in line.split(b";")[1:]:
        name, _, value = raw.partition(b"=")
        found.append(Attribute(name.strip(_WSP).lower(), value.strip(_WSP), raw.strip(_WSP)))
    return tuple(found)


def cookie_pairs(values: list[bytes]) -> list[tuple[bytes, bytes]]:
    """The names and whole `name=value` pairs of `cookie` fields, in order (section 4.2; RFC 9113, 8.2.3).

    What no user agent sends, a pair with control characters, is left out.
    """
    pieces = (piece.strip(_WSP) for value in values for piece in value.split(b";"))
    sound = (piece for piece in pieces if piece and not _CONTROLS.search(piece))
    return [(piece.partition(b"=")[0].rstrip(_WSP), piece) for piece in sound]


def parse_date(text: bytes) -> int | None:
    """A cookie date as Unix seconds, None when it is none (section 5.1.1)."""
    found = _date_fields(text)
    if len(found) < len(_DATE_FIELDS):
        return None
    day, year = int(found["day"][1]), int(found["year"][1])
    if year <= 99:
        year += 1900 if year >= 70 else 2000
    month = _MONTHS.index(found["month"][1].lower()) + 1
    hour, minute, second = map(int, found["time"].groups())
    try:
        date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # a day or a time that does not exist
        return None
    return int(date.timestamp()) if year >= 1601 else None


def _date_fields(text: bytes) -> dict[str, re.Match[bytes]]:
    found: dict[str, re.Match[bytes]] = {}
    for token in _DELIMITERS.split(text):
        for name, pattern in _DATE_FIELDS.items():
            if name not in found and (match := pattern.match(token)):
                found[name] = match
                break
    return found


def domain_match(host: str, domain: str) -> bool:
    """Section 5.1.3, both in lower case. An address matches nothing but itself."""
    return host == domain or (host.endswith(f".{domain}") and not _ADDRESS.fullmatch(host))


def default_path(request_path: str) -> str:
    """Section 5.1.4, the directory of the request's path (without its query)."""
    return request_path.rpartition("/")[0] or "/"


def path_match(request_path: str, cookie_path: str) -> bool:
    """Section 5.1.4."""
    return request_path == cookie_path or request_path.startswith(cookie_path.removesuffix("/") + "/")
