"""inner-validation: what an inner request must be (section 7).

The cases are in inner_good, inner_bad and paths: what each changes in a request that is good.
"""

from __future__ import annotations

from tests.vectors import wire
from tests.vectors.material import Recorded, Vector, invalid, valid
from tests.vectors.topics import inner_bad, inner_good, paths

RULES = {"link_path": "/_link", "allow_encoded_slash": False}


def inner_validation(_recorded: Recorded) -> list[Vector]:
    good = inner_good.lines() | inner_good.headers() | inner_good.rest()
    bad = inner_bad.lines() | inner_bad.names() | inner_bad.values() | inner_bad.fields() | inner_bad.rest()
    return [
        *(accepts(name, reason, changes) for name, (reason, changes) in good.items()),
        *_bounds(),
        *(refuses(name, reason, changes) for name, (reason, changes) in bad.items()),
        *(
            accepts(f"path-{name}", reason, {"path": path}, path=normal, slash=slash)
            for name, (reason, path, normal, slash) in paths.GOOD.items()
        ),
        *(
            refuses(f"path-{name}", reason, {"path": path}, slash=slash)
            for name, (reason, path, slash) in paths.BAD.items()
        ),
    ]


def _inputs(changes: wire.Inner, *, slash: bool = False) -> Vector:
    return {"inner": inner_good.BASE | changes, "rules": RULES | {"allow_encoded_slash": slash}}


def accepts(
    name: str, reason: str, changes: wire.Inner, *, path: str | None = None, slash: bool = False
) -> Vector:
    inputs = _inputs(changes, slash=slash)
    return valid(name, reason, inputs, {"path": inputs["inner"]["path"] if path is None else path})


def refuses(name: str, reason: str, changes: wire.Inner, *, slash: bool = False) -> Vector:
    return invalid(name, reason, _inputs(changes, slash=slash), "bad-request")


def _filler(count: int, value_length: int) -> wire.Inner:
    return {"headers": [], "filler": {"name": "x-filler", "count": count, "value_length": value_length}}


def _bounds() -> list[Vector]:
    return [
        accepts("200-headers", "the most that there may be", _filler(200, 1)),
        refuses("201-headers", "one too many", _filler(201, 1)),
        accepts("64-kib-of-headers", "names and values together are 65,536 bytes", _filler(1, 65_528)),
        refuses("64-kib-and-1", "names and values together are 65,537 bytes", _filler(1, 65_529)),
        accepts("64-kib-of-many", "128 times 512 bytes", _filler(128, 504)),
        refuses("64-kib-of-many-and-more", "128 times 513 bytes", _filler(128, 505)),
    ]
