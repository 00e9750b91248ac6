"""Typed messages as YAML that Envoy reads and an operator too."""

from __future__ import annotations

from typing import Any, Final, cast

import yaml
from betterproto2 import Casing, Message

# The fields of these types are called as in Envoy's protos; Casing.SNAKE would split "5xx" into "5_xx".
_AS_DECLARED: Final = cast("Casing", lambda name: name)


def fields(message: Message) -> dict[str, Any]:
    """What is set in `message`, by Envoy's names and in the order of its protos."""
    return message.to_dict(casing=_AS_DECLARED)


def dump(value: object) -> str:
    """The same bytes for the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """No anchors, since Envoy's reader is a plain one; texts of several lines as blocks."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
