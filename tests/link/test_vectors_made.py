"""The vectors themselves: they follow from the repository, and any language can read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.link.vectors import FOLDER, load
from tests.vectors.make import TOPICS, files, main
from tests.vectors.material import KEYS, SEALED_TO, Recorded
from tests.vectors.reference import GatewayKey

UNSAFE = 2**53  # from here on, a JSON number is no integer to JavaScript


def test_making_them_again_changes_nothing(tmp_path: Path) -> None:
    main(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert made.keys() == kept.keys()
    stale = [name for name in made if made[name] != kept[name]]
    assert not stale, f"run 'make vectors': {stale}"


def test_what_is_not_recorded_is_drawn_anew() -> None:
    made, again = files(Recorded()), files(Recorded())
    assert made["recorded.json"] != again["recorded.json"]
    assert made["key-ids.json"] == again["key-ids.json"]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic(topic: str) -> None:
    """Ids are unique, results are one of two, invalid vectors say what and why."""
    vectors = load(topic)
    ids = [vector["id"] for vector in vectors]
    assert len(set(ids)) == len(ids)
    for vector in vectors:
        assert vector["result"] in {"valid", "invalid"}
        assert vector["reason"]
        assert (vector["result"] == "invalid") == ("error" in vector["output"])


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.json")), ids=lambda path: path.stem)
def test_a_file_is_plain_json(path: Path) -> None:
    """ASCII, and no number that a language without big integers would round."""
    text = path.read_bytes().decode("ascii")
    assert all(-UNSAFE < number < UNSAFE for number in numbers(json.loads(text)))


def numbers(value: Any) -> list[int]:
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return [number for child in children for number in numbers(child)]
    assert isinstance(value, str | int | bool | None)
    return [value] if isinstance(value, int) else []


@pytest.mark.parametrize("topic", sorted(TOPICS.keys() - {"errors", "padding"}))
def test_a_topic_has_what_must_be_refused(topic: str) -> None:
    assert any(vector["result"] == "invalid" for vector in load(topic))


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)
def test_every_key_has_an_encapsulation(key: GatewayKey) -> None:
    assert key.name in SEALED_TO.values()
