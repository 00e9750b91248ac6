"""The Python SDK: transports for httpx that carry every request sealed over a link."""

from extproc.client.errors import LinkError
from extproc.client.transport import AsyncLinkTransport, LinkTransport

__all__ = ["AsyncLinkTransport", "LinkError", "LinkTransport"]
