"""Fields that came out of a seal."""

from __future__ import annotations

from collections.abc import Iterable

from extproc.client.errors import BAD_RESPONSE, LinkError
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.validation import is_field, why_no_field


def raw_fields(headers: Iterable[pb.Header]) -> list[tuple[bytes, bytes]]:
    """As httpx takes them. Raises LinkError("bad-response") for what is no field of RFC 9110."""
    for header in headers:
        if not is_field(header.name, header.value):
            raise LinkError(BAD_RESPONSE, why_no_field(header.name), outcome_unknown=True)
    return [(header.name.encode(), header.value) for header in headers]
