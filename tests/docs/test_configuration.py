"""docs/configuration.md. Invariant: it has every key of gateway.yaml and no other, each with its own type
and default, and an example that is accepted."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from extproc.config import fields
from extproc.config.load import load
from extproc.config.settings import Address, Rate, Settings
from tests.docs.pages import blocks, code, page, rows

PAGE = page("configuration.md")
NAMES = [
    (fields.Whole, "whole number"),
    (fields.Flag, "true or false"),
    (fields.Size, "size"),
    (fields.Duration, "duration"),
    (fields.PositiveDuration, "duration"),
    (fields.AddressField, "address"),
    (fields.ListenField, "`unix` or address"),
    (fields.RateField, "rate"),
    (fields.PathField, "link path"),
    (fields.PrefixField, "prefix"),
    (fields.HostField, "host"),
    (fields.DialField, "host name or IP address"),
    (fields.HeaderName, "header name"),
    (fields.LimitKey, "limit key"),
    (fields.LinkOrigin, "origin"),
    (fields.CorsOrigin, "origin pattern"),
    (Path, "path"),
    (str, "text"),
]
GOOD = """
listen: 127.0.0.1:8443
link: { origins: ["https://gw.example.com"] }
upstreams: { shop: { endpoints: ["shop:8080"] } }
routes: [{ host: shop.example.com, upstream: shop }]
cors: { origins: ["https://shop.example.com"] }
rate_limits: [{ limit: 1/s }]
"""
# What an example needs beside it.
BESIDE: dict[str, dict[str, Any]] = {
    "tls.certificate": {"tls": {"private_key": "key.pem"}},
    "tls.private_key": {"tls": {"certificate": "chain.pem"}},
    "link.replay": {"workers": 1},
    "processor.listen": {"processor": {"plain_tcp": True}},
    "processor.dial": {"processor": {"listen": "0.0.0.0:9000", "plain_tcp": True}},
    "upstreams.<name>.sni": {"upstreams": {"shop": {"endpoints": ["shop:8080"], "tls": True}}},
    "upstreams.<name>.ca": {"upstreams": {"shop": {"endpoints": ["shop:8080"], "tls": True}}},
    "routes[].websocket": {"routes": [{"host": "shop.example.com", "upstream": "shop", "access": "any"}]},
}
HOP = {"processor": {"listen": "10.0.0.5:9000", "tls": {"certificate": "c", "private_key": "k", "ca": "a"}}}


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo, Any]]:
    """The dotted name of every leaf, its field, and its type as it is written in the model."""
    hints = get_type_hints(model, include_extras=True)
    for name, info in model.model_fields.items():
        if info.exclude:
            continue
        below, around = inner_model(info.annotation)
        if below is None:
            yield prefix + name, info, hints[name]
        else:
            yield from keys(below, f"{prefix}{name}{around}.")


def inner_model(kind: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that a field holds, and how its place is written: one, a list of them, one by name."""
    if get_origin(kind) in {Union, types.UnionType}:
        kind = get_args(kind)[0]
    around = {tuple: "[]", dict: ".<name>"}.get(get_origin(kind), "")
    if around:
        kind = get_args(kind)[1 if around == ".<name>" else 0]
    is_section = isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in {Address, Rate}
    return (kind if is_section else None), around


def type_name(hint: Any) -> str:
    for alias, name in NAMES:
        if hint == alias:
            return name
    if get_origin(hint) in {Union, types.UnionType}:
        return type_name(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(hint))
    assert get_origin(hint) is tuple, hint
    return f"list of {type_name(get_args(hint)[0])}"


KEYS = {name: (info, hint) for name, info, hint in keys()}
TABLE = {code(row[0]): row[1:] for row in rows(PAGE) if len(row) == 5}


def test_every_key_is_there_and_no_other() -> None:
    assert len(TABLE) == sum(len(row) == 5 for row in rows(PAGE))
    assert set(TABLE) == set(KEYS)


@pytest.mark.parametrize("key", TABLE)
def test_type_and_default_are_those_of_the_settings(key: str) -> None:
    (info, hint), (kind, default, *_) = KEYS[key], TABLE[key]
    assert kind == type_name(hint)
    if info.is_required():
        assert default == "required"
    elif info.default is None:
        assert default == "none"
    else:
        assert read({**HOP, **with_value(key, yaml.safe_load(code(default)))}, key) == info.default


@pytest.mark.parametrize("key", TABLE)
def test_the_example_is_accepted_and_is_not_the_default(key: str, tmp_path: Path) -> None:
    example = yaml.safe_load(code(TABLE[key][2]))
    document = merged(HOP if key.startswith("processor.") else {}, BESIDE.get(key, {}))
    if key == "processor.dial":
        del document["processor"]["tls"]
    value = read(merged(document, with_value(key, example)), key, tmp_path)
    assert value != KEYS[key][0].default


def test_the_whole_files_on_the_page_are_accepted(tmp_path: Path) -> None:
    files = [block for block in blocks(PAGE, "yaml") if block.mark == "gateway.yaml"]
    assert files
    for file in files:
        (tmp_path / "gateway.yaml").write_text(file.text)
        load(tmp_path / "gateway.yaml")


def with_value(key: str, value: Any) -> dict[str, Any]:
    """A document with `value` at `key`, beside what the entry around it must have."""
    *around, name = key.replace("<name>", "shop").split(".")
    document: Any = {name: value}
    for part in reversed(around):
        document = {part.removesuffix("[]"): [document] if part.endswith("[]") else document}
    return dict(document)


def merged(one: Any, other: Any) -> Any:
    """`other` over `one`; the entries of lists of mappings one by one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other.get(key)) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list) and isinstance(next(iter(other), None), dict):
        return [merged(*pair) for pair in zip(one, other, strict=True)]
    return one if other is None else other


def read(changes: dict[str, Any], key: str, folder: Path | None = None) -> Any:
    """What `key` is read as, when the changes are made to a good file."""
    document = merged(yaml.safe_load(GOOD), changes)
    settings: Any = Settings.model_validate(document)
    if folder is not None:
        (folder / "gateway.yaml").write_text(yaml.safe_dump(document))
        settings = load(folder / "gateway.yaml")
    for part in key.replace("<name>", "shop").split("."):
        settings = (
            settings[part] if isinstance(settings, dict) else getattr(settings, part.removesuffix("[]"))
        )
        settings = settings[0] if part.endswith("[]") else settings
    return settings
