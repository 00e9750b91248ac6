"""directory: a client accepts what section 11 lets it accept, and uses and remembers the right things."""

from __future__ import annotations

import pytest

from extproc.errors import DirectoryError
from extproc.link.directory import Accepted, Verified, verify
from extproc.link.keys import RootPublicKey
from tests.link.vectors import Vector, params, raw


@pytest.mark.parametrize("vector", params("directory", "valid"))
def test_accepted(vector: Vector) -> None:
    output, now = vector["output"], vector["inputs"]["now"]
    verified = verified_of(vector)
    for require_pq, name in ((False, "key_id"), (True, "require_pq_key_id")):
        key = verified.directory.preferred(now, require_pq=require_pq)
        assert (key and key.key_id.hex()) == output[name]
    for root_id, accepted in remembered(output["accepted"]).items():
        assert verified.accepted[root_id] == accepted


@pytest.mark.parametrize("vector", params("directory", "valid"))
def test_what_was_accepted_is_accepted_again(vector: Vector) -> None:
    verified = verified_of(vector)
    again = verified_of(vector, dict(verified.accepted))
    assert again.accepted == verified.accepted


@pytest.mark.parametrize("vector", params("directory", "invalid"))
def test_refused(vector: Vector) -> None:
    with pytest.raises(DirectoryError):
        verified_of(vector)


def verified_of(vector: Vector, accepted: dict[bytes, Accepted] | None = None) -> Verified:
    inputs = vector["inputs"]
    return verify(
        raw(inputs["signed"]),
        roots=[RootPublicKey.from_text(text) for text in inputs["roots"]],
        link=inputs["link"],
        now=inputs["now"],
        accepted=remembered(inputs["accepted"]) if accepted is None else accepted,
    )


def remembered(entries: list[Vector]) -> dict[bytes, Accepted]:
    return {
        raw(entry["root_id"]): Accepted(entry["serial"], raw(entry["directory_sha256"])) for entry in entries
    }
