"""Length-delimited fields (protobuf's encoding, "Length-Delimited Records"), written by hand."""

from __future__ import annotations

from collections.abc import Iterable

from extproc.link.messages import varint


def delimited(tag: bytes, payload: bytes) -> bytes:
    """A field: its tag, its length, and what it is."""
    return tag + varint(len(payload)) + payload


def enclosing(tags: Iterable[bytes], start: bytes, rest: int = 0) -> bytes:
    """`start` of a message, inside of what `tags` name, from the inside out; `rest` octets of it follow."""
    for tag in tags:
        start = tag + varint(len(start) + rest) + start
    return start
