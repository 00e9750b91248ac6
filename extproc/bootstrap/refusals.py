"""What a plain request is refused by: routes that answer at once, and lead nowhere."""

from __future__ import annotations

import re
from typing import Final

from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from extproc.bootstrap.rate_limits import uncounted
from extproc.config.settings import Route, Settings
from extproc.exchange.crossing import OPENED_MARK

_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_SLASH: Final = "(/|%2f)"
# A backslash, or an empty or a dot segment, with parameters or without, as an upstream sees it that takes %2f
# for a slash. Envoy has normalized what is plain of it.
_PLAIN: Final = route.HeaderMatcher(name=OPENED_MARK, present_match=True, invert_match=True)
_AMBIGUOUS: Final = rf"(?i).*(%5c.*|{_SLASH}(\.|%2e){{1,2}}((/|;|%2f|%3b).*)?|{_SLASH}(;|%3b|/|%2f).*)"


def refuse(settings: Settings, name: str, match: route.RouteMatch, status: int = _FORBIDDEN) -> route.Route:
    return route.Route(
        name=name,
        match=match,
        direct_response=route.DirectResponseAction(status=status),
        typed_per_filter_config=uncounted(settings),
    )


def refuse_plain(settings: Settings, rule: Route) -> route.Route:
    """Behind a sealed route: no later route is a way round it, nor does another spelling of its prefix help.

    Some upstreams know no case, and some take %2f for a slash.
    """
    match = route.RouteMatch(prefix=rule.prefix, case_sensitive=False, headers=[_PLAIN])
    if settings.link.allow_encoded_slash:
        match = _matching(f"(?i){re.escape(rule.prefix).replace('/', _SLASH)}.*")
    return refuse(settings, "forbidden", match)


def refuse_ambiguous(settings: Settings) -> list[route.Route]:
    """Where %2f may pass: paths that mean another to who decodes them. Inner ones the processor checks."""
    if not settings.link.allow_encoded_slash:
        return []
    return [refuse(settings, "ambiguous", _matching(_AMBIGUOUS), _BAD_REQUEST)]


def _matching(regex: str) -> route.RouteMatch:
    """Plain requests whose whole path, the query apart, is `regex`."""
    return route.RouteMatch(safe_regex=matcher.RegexMatcher(regex=regex), headers=[_PLAIN])
