"""Length-delimited fields (protobuf's encoding, "Length-Delimited Records"), written by hand."""

from __future__ import annotations

from typing import Final

from extproc.link.messages import varint

_REMEMBERED: Final = 2**12


def delimited(tag: bytes, payload: bytes) -> bytes:
    """A field: its tag, its length, and what it is."""
    return tag + varint(len(payload)) + payload


class Heads(dict[int, bytes]):
    """What stands before the octets of a field, by their number: its `tags` from the inside out, each with a
    length. They end all of the fields that they are inside of. Those of what is short are remembered."""

    def __init__(self, *tags: bytes) -> None:
        super().__init__()
        self._tags = tags

    def __missing__(self, size: int) -> bytes:
        head = b""
        for tag in self._tags:
            head = tag + varint(len(head) + size) + head
        if size < _REMEMBERED:
            self[size] = head
        return head
