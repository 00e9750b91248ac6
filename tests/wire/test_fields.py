"""Field sections (RFC 9113, sections 4.3, 6.5.2 and 8; RFC 7541), as transcripts.

Invariant: a malformed request resets its stream alone, and a field section means the same whether it was
decoded or remembered.
"""

from __future__ import annotations

import hpack
import pytest

from extproc.server.wire.events import Event, RequestReceived, StreamReset
from extproc.server.wire.fields import FieldDecoder, encode
from extproc.server.wire.frames import ErrorCode
from tests.wire import peer
from tests.wire.peer import END, REQUEST, Peer, block, headers, request

METHOD, SCHEME, PATH, AUTHORITY, *REST = REQUEST


def sent(*fields: tuple[str, str]) -> list[Event]:
    """What a request of these fields makes happen."""
    return Peer().send(headers(1, block(*fields), "END_STREAM"))


MALFORMED = {
    "8.2: an upper-case name": (*REQUEST, ("X-Tea", "1")),
    "8.2.1: no name": (*REQUEST, ("", "1")),
    "8.2.1: a space in a name": (*REQUEST, ("x tea", "1")),
    "8.2.1: a colon in a name": (*REQUEST, ("x:tea", "1")),
    "8.2.1: a byte above ASCII in a name": (*REQUEST, ("x-té", "1")),
    "8.2.1: NUL in a value": (*REQUEST, ("x-tea", "a\0b")),
    "8.2.1: CR in a value": (*REQUEST, ("x-tea", "a\rb")),
    "8.2.1: LF in a value": (*REQUEST, ("x-tea", "a\nb")),
    "8.2.1: a space before a value": (*REQUEST, ("x-tea", " a")),
    "8.2.1: a tab after a value": (*REQUEST, ("x-tea", "a\t")),
    "8.2.1: LF in a pseudo-header field": (METHOD, SCHEME, (":path", "/\n"), AUTHORITY),
    "8.2.2: connection": (*REQUEST, ("connection", "close")),
    "8.2.2: proxy-connection": (*REQUEST, ("proxy-connection", "close")),
    "8.2.2: keep-alive": (*REQUEST, ("keep-alive", "1")),
    "8.2.2: transfer-encoding": (*REQUEST, ("transfer-encoding", "chunked")),
    "8.2.2: upgrade": (*REQUEST, ("upgrade", "h2c")),
    "8.2.2: te other than trailers": (*REQUEST[:-1], ("te", "gzip")),
    "8.3: after a regular field": (METHOD, SCHEME, PATH, ("x-tea", "1"), AUTHORITY),
    "8.3: one that is not known": (*REQUEST[:4], (":tea", "1")),
    "8.3: one of responses": (*REQUEST[:4], (":status", "200")),
    "8.3.1: no method": (SCHEME, PATH, AUTHORITY),
    "8.3.1: no scheme": (METHOD, PATH, AUTHORITY),
    "8.3.1: no path": (METHOD, SCHEME, AUTHORITY),
    "8.3.1: an empty path": (METHOD, SCHEME, (":path", ""), AUTHORITY),
    "8.3.1: a path twice": (METHOD, SCHEME, PATH, PATH),
    "8.3.1: a host that is not the authority": (*REQUEST, ("host", "else.example.com")),
    "8.3.1: a host twice": (*REQUEST, ("host", AUTHORITY[1]), ("host", AUTHORITY[1])),
    "8.5: CONNECT with a path": ((":method", "CONNECT"), PATH, AUTHORITY),
    "8.5: CONNECT to nowhere": ((":method", "CONNECT"),),
    "8.1.1: a content-length that is none": (*REQUEST, ("content-length", "-1")),
    "8.1.1: two of them": (*REQUEST, ("content-length", "0"), ("content-length", "1")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_resets_its_stream(fields: tuple[tuple[str, str], ...]) -> None:
    client = Peer()
    assert client.send(headers(1, block(*fields), "END_STREAM")) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR)]
    assert client.answers() == ["RST_STREAM 1 PROTOCOL_ERROR"]
    assert isinstance(client.send(request(3))[0], RequestReceived)


WELL_FORMED = {
    "8.3.1: without an authority": (METHOD, SCHEME, PATH, *REST),
    "8.3.1: a host that is the authority": (*REQUEST, ("host", AUTHORITY[1])),
    "8.5: CONNECT": ((":method", "CONNECT"), AUTHORITY),
    "8.2.1: an empty value": (*REQUEST, ("x-tea", "")),
    "8.2.1: bytes above ASCII in a value": (*REQUEST, ("x-tea", "thé")),
    "8.1.1: content-length": (*REQUEST, ("content-length", "0"), ("content-length", "0")),
}


@pytest.mark.parametrize("fields", WELL_FORMED.values(), ids=WELL_FORMED)
def test_a_well_formed_request_keeps_its_fields_as_they_came(fields: tuple[tuple[str, str], ...]) -> None:
    named = tuple((name.encode(), value.encode()) for name, value in fields)
    assert sent(*fields) == [RequestReceived(1, named, end_stream=True)]


@pytest.mark.parametrize("fields", [PATH, ("connection", "close"), ("x-tea", "\n")])
def test_malformed_trailers_reset_their_stream(fields: tuple[str, str]) -> None:
    """Section 8.1."""
    assert Peer().gets(request(1), headers(1, block(fields), "END_STREAM")) == ["RST_STREAM 1 PROTOCOL_ERROR"]


def test_trailers_that_end_nothing_reset_their_stream() -> None:
    """Section 8.1."""
    assert Peer().gets(request(1), headers(1, block(("x-checksum", "7")))) == ["RST_STREAM 1 PROTOCOL_ERROR"]


def test_a_field_section_over_64_kib_ends_the_connection() -> None:
    """Sections 6.5.2 and 10.5.1: what is not decoded whole leaves the table out of step. 32 octets a field
    count, so that a block of few octets can be too long."""
    repeated = hpack.Encoder().encode([("x-tea", "t" * 1000)]) + b"\xbe" * 70
    assert Peer().gets(headers(1, repeated)) == ["GOAWAY 0 ENHANCE_YOUR_CALM"]


def test_a_block_of_a_refused_or_reset_stream_is_decoded_all_the_same() -> None:
    """Section 4.3: or the table would be out of step."""
    client, encoder = Peer(), hpack.Encoder()
    client.send(request(1))
    client.connection.end(1, END)
    fields = [*REQUEST, ("x-tea", "earl grey")]
    assert client.send(headers(1, encoder.encode(fields), "END_STREAM")) == []
    (event,) = client.send(headers(3, encoder.encode(fields)))
    assert isinstance(event, RequestReceived)
    assert event.fields[-1] == (b"x-tea", b"earl grey")


def test_a_block_that_is_remembered_means_what_it_would_mean_anew() -> None:
    """The same octets mean something else once the dynamic table has changed (RFC 7541, 2.3.3)."""
    decoder = FieldDecoder()
    newest = b"\xbe"  # index 62
    first = hpack.Encoder().encode([("x-tea", "earl grey")])
    second = hpack.Encoder().encode([("x-tea", "assam")])
    assert decoder.decode(first) == decoder.decode(newest) == decoder.decode(newest)
    decoder.decode(second)
    assert decoder.decode(newest) == ((b"x-tea", b"assam"),)
    decoder.decode(b"\x20" + block(("x-tea", "none")))  # the table is emptied
    with pytest.raises(Exception, match="COMPRESSION_ERROR"):
        decoder.decode(newest)


def test_what_we_send_fits_every_dynamic_table() -> None:
    """Section 4.3.1: one that the peer has no room for is said to be empty, by the first octet."""
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    sent = encode([(":status", "200"), ("content-type", "application/grpc")])
    fields = decoder.decode(sent, raw=True)
    assert [*map(tuple, fields)] == [(b":status", b"200"), (b"content-type", b"application/grpc")]
    assert decoder.header_table.maxsize == 0


def test_a_peer_without_a_table_reads_the_answer() -> None:
    client = Peer()
    client.send(peer.settings({peer.HEADER_TABLE_SIZE: 0}), request(1, "END_STREAM"))
    client.connection.end(1, encode([("grpc-status", "0")]))
    _, answer = peer.cut(client.connection.take())
    assert answer[9:10] == b"\x20"
