"""What every exchange of a gateway shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from extproc.link.keyring import Keyring
from extproc.link.padding import Padding
from extproc.link.segments import Form
from extproc.link.validation import ValidationRules
from extproc.message import Request
from extproc.policy.cookies import CookiePolicy
from extproc.policy.cors import CorsPolicy


@dataclass(frozen=True, slots=True)
class Paths:
    """The link's own paths (section 10)."""

    whole: str
    stream: str
    keys: str
    health: str

    def form(self, path: str) -> Form | None:
        """The form of the requests that go to `path`, or None for a path where none go."""
        if path == self.whole:
            return Form.WHOLE
        return Form.STREAMED if path == self.stream else None


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """A business route, as far as an exchange must know it. The first that matches counts, as in Envoy."""

    host: str  # in lower case, without port; "*.example.com" is any host below it, "*" is every host
    prefix: str
    allows: Callable[[str], bool] | None  # which origins; None: the CORS policy alone decides

    def matches(self, request: Request) -> bool:
        host = request.host
        below = self.host.startswith("*") and host.endswith(self.host[1:])
        return (below or host == self.host) and request.path.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Keys, policies and limits, assembled from the operator's file. Sizes in bytes."""

    paths: Paths
    keyring: Keyring = field(repr=False)
    directory: bytes = field(repr=False)  # a serialized SignedKeyDirectory
    directory_serial: int
    directory_expires_at: int
    cors: CorsPolicy
    cookies: CookiePolicy
    rules: ValidationRules
    routes: tuple[RoutePolicy, ...]
    max_request: int
    max_response: int
    whole_limit: int  # a longer response leaves as a stream, to clients that can read one
    padding: Padding

    def permits(self, request: Request, origin: str) -> bool:
        """Whether the route of this inner request allows the page's origin."""
        route = next((route for route in self.routes if route.matches(request)), None)
        return route is None or route.allows is None or route.allows(origin)
