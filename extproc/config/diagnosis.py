"""What can be said of a gateway's settings and keys by looking at them: findings, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from extproc.config.fields import is_loopback
from extproc.config.keyfiles import KeysError
from extproc.config.keystore import SIGN, Contents, Layout, load_keys, read_keys
from extproc.config.rotation import DAY, EXPIRES_SOON, Terms
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.link.directory import Directory

_RENEW: Final = "renew it: extproc keys rotate directory -c gateway.yaml --root gateway.root.pem"
_ROTATE: Final = "make new ones: extproc keys rotate -c gateway.yaml --root gateway.root.pem"
_KEY_SOON: Final = 14 * DAY
_CLOCK_TOLERANCE: Final = 60
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or soon will be, and how to mend it."""

    check: str
    severity: Literal["error", "warning"]
    problem: str
    remedy: str


def check_clock(now: float) -> list[Finding]:
    """A clock that is years off: requests would all be refused as clock-skew."""
    if _EARLIEST <= now < _LATEST:
        return []
    year = datetime.fromtimestamp(now, UTC).year if abs(now) < 1e11 else "far off"
    return [Finding("clock", "error", f"this machine's clock says {year}", "set it, and keep it by NTP")]


def check_promises(settings: Settings) -> list[Finding]:
    """Settings that are allowed, and void a part of what the link promises."""
    findings = []
    if settings.cookies.mode == "plain":
        problem = "mode plain voids the promise for cookies: who reads the outer exchange can use them"
        remedy = "use sealed, unless the same cookies are needed without the link"
        findings.append(Finding("cookies", "warning", problem, remedy))
    for origin in settings.link.origins:
        url = urlsplit(origin)
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            problem = f"{origin} is plain HTTP, where browsers keep no Secure cookie and no sealed one"
            findings.append(Finding("origins", "warning", problem, "use https, with a certificate in tls"))
    return findings


def check_keys(settings: Settings, now: float) -> list[Finding]:
    """Keys, permissions, dates and the directory. `now` in Unix seconds."""
    folder = settings.path(settings.link.keys)
    try:
        store = load_keys(folder, now)
        contents = read_keys(folder)
    except KeysError as error:
        return [Finding("keys", "error", error.problem, error.remedy)]
    except UserError as error:
        return [Finding("keys", "error", str(error), "let this user read it")]
    return [
        *_dates(store.decoded, now),
        *_agreement(store.decoded, settings),
        *_waiting(folder, contents),
        *_cookie_keys(settings, contents),
    ]


def _dates(directory: Directory, now: float) -> Iterator[Finding]:
    left = directory.expires_at - now
    if left <= 0:
        yield Finding("directory", "error", f"it expired {_ago(-left)}: no client accepts it", _RENEW)
    elif left < EXPIRES_SOON:
        yield Finding("directory", "warning", f"it expires in {span(left)}", _RENEW)
    if directory.issued_at > now + _CLOCK_TOLERANCE:
        problem = f"it was issued {span(directory.issued_at - now)} in the future"
        yield Finding(
            "clock", "error", f"directory: {problem}", "set the clocks of this and the signing machine"
        )
    soon = now + _CLOCK_TOLERANCE  # a key just made begins with the next second
    usable = [entry for entry in directory.keys if entry.not_before <= soon and now < entry.not_after]
    last = max((entry.not_after for entry in directory.keys), default=0)
    if not usable:
        yield Finding("keys", "error", "the directory lists no gateway key that clients may use now", _ROTATE)
    elif last - now < _KEY_SOON:
        yield Finding("keys", "warning", f"the last gateway key ends in {span(last - now)}", _ROTATE)


def _agreement(directory: Directory, settings: Settings) -> Iterator[Finding]:
    says, wanted = Terms.in_directory(directory), Terms.of(settings)
    for key, own, other in (
        ("link.origins", tuple(sorted(says.links)), tuple(sorted(wanted.links))),
        ("link.path", says.path, wanted.path),
        ("link.max_request", says.max_request_bytes, wanted.max_request_bytes),
    ):
        if own != other:
            problem = f"it says {_shown(own)} where gateway.yaml has {key}: {_shown(other)}"
            yield Finding("directory", "error", problem, _RENEW)
    if says.path == wanted.path and says.stream_path != wanted.stream_path:
        yield Finding("directory", "warning", "it does not tell clients to stream long requests", _RENEW)


def _waiting(folder: Path, contents: Contents) -> Iterator[Finding]:
    layout, pending = Layout(folder), contents.unsigned
    if pending is not None:
        problem = f"{layout.unsigned} (serial {pending.serial}) has not been signed"
        yield Finding("directory", "warning", problem, SIGN)
    directories = [directory for directory in (contents.directory, pending) if directory is not None]
    listed = {entry.key.key_id for directory in directories for entry in directory.keys}
    for key_id in sorted(contents.gateway.keys() - listed):
        problem = f"{layout.gateway_key(key_id)}: opens requests, but no directory lists it"
        remedy = f"unless it is still to come, delete it: extproc keys retire {key_id.hex()} -c gateway.yaml"
        yield Finding("keys", "warning", problem, remedy)


def _cookie_keys(settings: Settings, contents: Contents) -> Iterator[Finding]:
    if settings.cookies.mode == "sealed" and not contents.cookies:
        problem = "cookies.mode: sealed, but there is no cookie key"
        yield Finding("keys", "error", problem, "make one: extproc keys rotate cookie -c gateway.yaml")


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def span(seconds: float) -> str:
    """A time as people say it: in minutes, hours or days."""
    for unit, name in ((DAY, "days"), (3600, "hours")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(1, int(seconds // 60))} minutes"


def _ago(seconds: float) -> str:
    return f"{span(seconds)} ago"
