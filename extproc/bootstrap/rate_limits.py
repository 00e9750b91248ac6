"""Rate limits in Envoy itself: each rule a descriptor, each distinct value of `by` a token bucket of its own.

The filter runs after the processor's, so it counts the inner request. What is refused at the door is not
counted: nobody empties another's bucket with requests that lead nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.common.ratelimit import v3 as ratelimit
from envoy_data_plane.envoy.extensions.filters.http.local_ratelimit import v3 as local
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as kind
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google.protobuf import Any

from extproc.config.settings import Rate, RateLimit, Settings

CLIENT_ADDRESS: Final = "client_address"
DISTINCT_VALUES: Final = 16_384  # buckets a rule keeps; beyond it the least recently used starts afresh
FILTER: Final = "envoy.filters.http.local_ratelimit"
_RULE: Final = "rule"


@dataclass(frozen=True)
class _Value:
    """One way for a request to have a value of `by`: how a route takes it, and the entries that it makes."""

    actions: tuple[route.RateLimitAction, ...]
    entries: tuple[ratelimit.RateLimitDescriptorEntry, ...]


def rate_limit_filter(settings: Settings) -> list[hcm.HttpFilter]:
    """The filter with every rule's buckets, or nothing when there is no rule."""
    if not settings.rate_limits:
        return []
    cases = [
        (rule, number, values)
        for number, rule in enumerate(settings.rate_limits)
        for values in _combinations(rule)
    ]
    config = local.LocalRateLimit(
        stat_prefix="rate_limit",
        filter_enabled=_always(),
        filter_enforced=_always(),
        rate_limits=[_limit(*case) for case in cases],
        descriptors=[_descriptor(*case) for case in cases],
        max_dynamic_descriptors=DISTINCT_VALUES,
    )
    return [hcm.HttpFilter(name=FILTER, typed_config=Any.pack(config))]


def uncounted(settings: Settings) -> dict[str, Any]:
    """For the routes that refuse: a request that starts on one never meets the filter."""
    return {FILTER: Any.pack(route.FilterConfig(disabled=True))} if settings.rate_limits else {}


def _limit(rule: RateLimit, number: int, values: tuple[_Value, ...]) -> route.RateLimit:
    """The entries that a request makes, all of them or none."""
    actions = (action for value in values for action in value.actions)
    return route.RateLimit(actions=[_rule_action(rule, number), *actions])


def _descriptor(
    rule: RateLimit, number: int, values: tuple[_Value, ...]
) -> ratelimit.LocalRateLimitDescriptor:
    """The same entries, and their bucket."""
    entries = (entry for value in values for entry in value.entries)
    return ratelimit.LocalRateLimitDescriptor(
        entries=[_entry(_RULE, str(number)), *entries], token_bucket=_bucket(rule.limit)
    )


def _combinations(rule: RateLimit) -> Iterator[tuple[_Value, ...]]:
    """Every way for a request to have its values: a descriptor counts only when it has all of its entries."""
    return product(*(_values(name) for name in rule.by))


def _values(name: str) -> list[_Value]:
    if name == CLIENT_ADDRESS:
        return [_client_address()]
    return [_header_value(name), _header_missing(name)]


def _client_address() -> _Value:
    """The peer as Envoy sees it, behind `trusted_hops`. A /64 of IPv6 is what one client gets."""
    action = route.RateLimitActionMaskedRemoteAddress(v4_prefix_mask_len=32, v6_prefix_mask_len=64)
    return _Value((route.RateLimitAction(masked_remote_address=action),), (_entry("masked_remote_address"),))


def _header_value(name: str) -> _Value:
    value = route.RateLimitActionRequestHeaders(header_name=name, descriptor_key=name)
    return _Value(
        (_presence(name, expected=True), route.RateLimitAction(request_headers=value)),
        (_entry("has", name), _entry(name)),
    )


def _header_missing(name: str) -> _Value:
    """Requests without a value share one bucket, or leaving the header out would lift the limit."""
    return _Value((_presence(name, expected=False),), (_entry("lacks", name),))


def _presence(name: str, *, expected: bool) -> route.RateLimitAction:
    """A value is kept for as long as its bucket, so one that is too long counts as none."""
    some = matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=".{1,256}"))
    return route.RateLimitAction(
        header_value_match=route.RateLimitActionHeaderValueMatch(
            descriptor_key="has" if expected else "lacks",
            descriptor_value=name,
            expect_match=expected,
            headers=[route.HeaderMatcher(name=name, string_match=some)],
        )
    )


def _rule_action(rule: RateLimit, number: int) -> route.RateLimitAction:
    """The entry that names the rule, made by requests of its host and prefix."""
    headers = [
        route.HeaderMatcher(name=":path", string_match=matcher.StringMatcher(prefix=rule.match.prefix))
    ]
    if rule.match.host is not None:
        headers.append(route.HeaderMatcher(name=":authority", string_match=_authority(rule.match.host)))
    match = route.RateLimitActionHeaderValueMatch(
        descriptor_key=_RULE, descriptor_value=str(number), headers=headers
    )
    return route.RateLimitAction(header_value_match=match)


def _authority(host: str) -> matcher.StringMatcher:
    name = re.escape(host.removeprefix("*"))
    regex = f"(?i){'.+' if host.startswith('*') else ''}{name}(:[0-9]+)?"
    return matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=regex))


def _entry(key: str, value: str = "") -> ratelimit.RateLimitDescriptorEntry:
    """An entry without a value stands for each distinct one."""
    return ratelimit.RateLimitDescriptorEntry(key=key, value=value)


def _bucket(limit: Rate) -> kind.TokenBucket:
    return kind.TokenBucket(
        max_tokens=limit.requests, tokens_per_fill=limit.requests, fill_interval=limit.per
    )


def _always() -> core.RuntimeFractionalPercent:
    every = kind.FractionalPercent(numerator=100, denominator=kind.FractionalPercentDenominatorType.HUNDRED)
    return core.RuntimeFractionalPercent(default_value=every)
