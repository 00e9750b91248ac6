"""Parsing what a peer has sent."""

from __future__ import annotations

from google.protobuf.message import DecodeError, Message

from extproc.errors import Code, LinkError


def parse(message: Message, serialized: bytes) -> None:
    """Fill `message`. Raises LinkError(BAD_ENVELOPE)."""
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise LinkError(Code.BAD_ENVELOPE, f"not a {message.DESCRIPTOR.name}") from error
