"""A streamed answer to play with: its head, four segments with data, the final one with trailers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpx

from extproc.link.pb import privatelink_pb2 as pb
from tests.client.gateway import Answering, Gateway
from tests.client.pieces import Piece, Pieces

BODY = b"tea, coffee, cocoa"
TRAILERS = [pb.Header(name="x-sum", value=b"9"), pb.Header(name="x-sum", value=b"\xe9")]

Change = Callable[[list[bytes]], Iterable[Piece]]


def menu(_: pb.InnerRequest) -> pb.InnerResponse:
    return pb.InnerResponse(
        status=203, headers=[pb.Header(name="x-n", value=b"1")], body=BODY, trailers=TRAILERS
    )


def changed(gateway: Gateway, change: Change, bodies: list[Pieces] | None = None) -> Answering:
    """A streamed answer with its outer body's pieces changed: head, four segments, the final one."""

    def answer(request: httpx.Request) -> httpx.Response:
        opened = gateway.open(request)
        response = gateway.streamed(change(list(gateway.pieces(opened, menu(opened.inner)))))
        assert isinstance(response.stream, Pieces)
        if bodies is not None:
            bodies.append(response.stream)
        return response

    return answer


def at(index: int, piece: Piece) -> Change:
    """`piece` in the place of what comes from `index` on."""
    return lambda pieces: [*pieces[:index], piece]


def spoiled(index: int) -> Change:
    """One bit of piece `index` is another."""
    return lambda pieces: [
        piece[:-1] + bytes([piece[-1] ^ 1]) if number == index else piece
        for number, piece in enumerate(pieces)
    ]


def at_once(change: Change) -> Change:
    """The same in one piece."""
    return lambda pieces: [b"".join(piece for piece in change(pieces) if isinstance(piece, bytes))]
