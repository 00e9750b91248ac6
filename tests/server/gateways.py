"""Gateways on disk: a `gateway.yaml` in a folder of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from extproc.config import keymaker
from extproc.config.keystore import load_keys
from extproc.config.load import load
from extproc.config.rotation import Terms
from extproc.config.settings import Settings
from extproc.link.directory import Directory
from extproc.link.keys import RootPrivateKey
from extproc.link.suites import Kem
from extproc.server.stores import open_store

CONFIG = "gateway.yaml"


def write_config(folder: Path, **changes: Any) -> Path:
    """A good file, but for `changes`."""
    good: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "link": {"origins": ["https://gw.example.com"], "replay_capacity": 10_000},
        "upstreams": {"shop": {"endpoints": ["127.0.0.1:9"]}},
        "routes": [{"host": "shop.example.com", "upstream": "shop"}],
        "drain": "5s",
    }
    path = folder / CONFIG
    path.write_text(yaml.safe_dump(good | changes))
    return path


def settings(folder: Path, **changes: Any) -> Settings:
    return load(write_config(folder, **changes))


def make_keys(settings: Settings) -> Directory:
    """What `extproc keys init` does: the store, then keys that are no older."""
    open_store(settings, time.time_ns() // 1_000_000)
    keys = settings.path(settings.link.keys)
    root = RootPrivateKey.generate()
    keymaker.init(keys, Terms.of(settings), time.time(), roots=[root], kems=[Kem.X25519])
    return load_keys(keys).decoded
