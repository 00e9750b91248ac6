"""The benches' reader of HTTP/1.1. Invariant: however the bytes are split, the same messages come out."""

from __future__ import annotations

import pytest

from bench.wire import End, Head, MessageReader

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello"
CHUNKED = (
    b"POST /sink HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx-t: 1\r\n\r\n"
)
FIELDS = (b"content-length", b"transfer-encoding", b"x-a")
EMPTY = b"GET /bytes HTTP/1.1\r\nhost: a\r\n\r\n"


def read(*parts: bytes) -> list[tuple[str, list[bytes | None], bytes]]:
    """Start line, the fields of FIELDS and the body of each message that is whole."""
    reader, messages, head, body = MessageReader(), [], Head(b""), b""
    for part in parts:
        for event in reader.receive(part):
            if isinstance(event, Head):
                head, body = event, b""
            elif isinstance(event, End):
                messages.append((head.line, [head.get(name) for name in FIELDS], body))
            else:
                assert event
                body += event
    return messages


def test_messages_of_every_kind_follow_each_other() -> None:
    assert read(SIZED + CHUNKED + EMPTY + SIZED) == [
        ("HTTP/1.1 200 OK", [b"5", None, b"b"], b"hello"),
        ("POST /sink HTTP/1.1", [None, b"chunked", None], b"hello"),
        ("GET /bytes HTTP/1.1", [None, None, None], b""),
        ("HTTP/1.1 200 OK", [b"5", None, b"b"], b"hello"),
    ]


def test_it_is_the_same_split_at_every_point_and_byte_by_byte() -> None:
    data = SIZED + CHUNKED + EMPTY
    whole = read(data)
    assert len(whole) == 3
    for point in range(len(data)):
        assert read(data[:point], data[point:]) == whole
    assert read(*(data[i : i + 1] for i in range(len(data)))) == whole


@pytest.mark.parametrize("message", [SIZED, CHUNKED])
def test_a_message_that_is_cut_does_not_end(message: bytes) -> None:
    for length in range(len(message)):
        assert read(message[:length]) == []
