"""What a caller's generator may yield. Invariant: bytes of any kind leave as they were; all else is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.conftest import Opening, generated
from tests.client.gateway import SHOP, Gateway


@pytest.mark.parametrize(("piece", "kind"), [("tea", "str"), (None, "NoneType")])
def test_a_generator_of_what_is_no_bytes(
    connect: Opening, gateway: Gateway, piece: object, kind: str
) -> None:
    with pytest.raises(TypeError, match=f"^expected bytes, not {kind}$"):
        connect()("POST", SHOP, content=generated(connect, [b"tea", piece]))
    assert gateway.ran == []


def test_a_generator_of_a_buffer_that_is_used_again(connect: Opening) -> None:
    def buffers() -> Iterator[bytearray]:
        buffer = bytearray()
        for size in (3, 100_000, 5):
            buffer[:] = b"x" * size
            yield buffer

    assert connect()("POST", SHOP, content=generated(connect, buffers())).content == b"x" * 100_008
