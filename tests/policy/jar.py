"""A browser's cookie jar, written from the prose of RFC 6265, for tests to hold the gateway against.

It shares no code with the gateway. Dates come in the one form that servers are to send; public suffixes are
single labels.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass
class Stored:
    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires: float  # infinite for a session's


@dataclass(frozen=True)
class Url:
    """Where a request goes. `path` without its query."""

    scheme: str
    host: str
    path: str


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def domain_matches(host: str, domain: str) -> bool:
    if host == domain:
        return True
    return host[-len(domain) :] == domain and host[-len(domain) - 1] == "." and not is_ip(host)


def path_matches(path: str, cookie_path: str) -> bool:
    if path == cookie_path:
        return True
    if path[: len(cookie_path)] != cookie_path:
        return False
    return cookie_path[-1] == "/" or path[len(cookie_path)] == "/"


def default_path(path: str) -> str:
    return "/" if path.count("/") == 1 else path[: path.rindex("/")]


def read_attributes(rest: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for attribute in rest:
        key, _, value = (part.strip() for part in attribute.partition("="))
        if key.lower() == "domain" and not value:
            continue
        found[key.lower()] = value
    return found


class Jar:
    """What one browser holds, in the order of creation."""

    def __init__(self) -> None:
        self.cookies: list[Stored] = []

    def receive(self, line: str, url: Url, now: int) -> None:
        pair, *rest = line.split(";")
        name, _, value = (part.strip() for part in pair.partition("="))
        new = self._read(name, value, read_attributes(rest), url, now)
        if new is None:
            return
        for index, old in enumerate(self.cookies):
            if (old.name, old.domain, old.path) == (new.name, new.domain, new.path):
                self.cookies[index] = new
                break
        else:
            self.cookies.append(new)
        self._evict(now)

    def header(self, url: Url, now: int) -> str:
        self._evict(now)
        chosen = [
            cookie
            for cookie in self.cookies
            if (cookie.domain == url.host if cookie.host_only else domain_matches(url.host, cookie.domain))
            and path_matches(url.path, cookie.path)
            and (not cookie.secure or url.scheme == "https")
        ]
        chosen.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in chosen)

    def _evict(self, now: int) -> None:
        self.cookies = [cookie for cookie in self.cookies if cookie.expires > now]

    @staticmethod
    def _read(name: str, value: str, said: dict[str, str], url: Url, now: int) -> Stored | None:
        domain = said.get("domain", "").lower().removeprefix(".")
        if domain and domain != url.host and ("." not in domain or not domain_matches(url.host, domain)):
            return None
        host_only = not domain or "." not in domain
        path = said.get("path", "")
        secure = "secure" in said
        if name.startswith(("__Secure-", "__Host-")) and not (secure and url.scheme == "https"):
            return None
        if name.startswith("__Host-") and not (host_only and path == "/"):
            return None
        expires = float("inf")
        if "expires" in said:
            expires = parsedate_to_datetime(said["expires"]).timestamp()
        if "max-age" in said:
            expires = now + int(said["max-age"])
        path = path if path.startswith("/") else default_path(url.path)
        return Stored(name, value, domain or url.host, host_only, path, secure, expires)
