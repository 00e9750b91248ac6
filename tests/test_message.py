"""HTTP messages as values. Invariant: what says how long a body is can be read in one way only."""

from __future__ import annotations

import pytest

from extproc.message import Headers, content_length


@pytest.mark.parametrize(
    ("value", "length"), [(b"0", 0), (b"3", 3), (b"03", 3), (b"9223372036854775807", 2**63 - 1)]
)
def test_a_length_is_digits(value: bytes, length: int) -> None:
    assert content_length(value) == length
    assert Headers([("content-length", value)]).content_length == length


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-1",
        b"+3",
        b" 3",
        b"3 ",
        b"3_0",
        b"0x3",
        b"3,3",
        b"\xb3",
        "\u0663".encode(),
        b"9223372036854775808",
        b"9" * 5000,
    ],
)
def test_what_is_no_length_is_none(value: bytes) -> None:
    assert content_length(value) is None
    assert Headers([("content-length", value)]).content_length is None


def test_no_field_is_no_length() -> None:
    assert Headers().content_length is None
