"""Writes the test vectors of docs/protocol.md, section 14.

python -m tests.vectors.make [FOLDER]

The result follows from this folder's sources and recorded.json alone: run again, it changes nothing. An
encapsulation that recorded.json lacks is drawn and recorded. FOLDER is this one, unless given.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors.material import FOLDER, Recorded, Vector
from tests.vectors.topics import answers, cookies, directory, exchanges, inner_validation, keys, messages
from tests.vectors.topics.requests import requests
from tests.vectors.topics.responses import responses
from tests.vectors.topics.streamed import streamed


def _whole(recorded: Recorded) -> list[Vector]:
    return [*requests(recorded), *responses(recorded)]


TOPICS: dict[str, tuple[str, Callable[[Recorded], list[Vector]]]] = {
    "key-ids": ("2", keys.key_ids),
    "root-keys": ("7 and 11", keys.root_keys),
    "link-key": ("3", keys.link_key),
    "message-keys": ("4", messages.message_keys),
    "segments": ("5", messages.segments),
    "media-types": ("6", messages.media_types),
    "whole": ("6 and 7", _whole),
    "streamed": ("5 to 7", streamed),
    "inner-validation": ("7", inner_validation.inner_validation),
    "freshness": ("8", exchanges.freshness),
    "errors": ("9", exchanges.errors),
    "origins": ("9", exchanges.origins),
    "answers": ("9 and 10", answers.answers),
    "directory": ("11", directory.directory),
    "padding": ("12", messages.padding),
    "cookies": ("13", cookies.cookies),
}


def files(recorded: Recorded) -> dict[str, str]:
    """The text of every file by its name."""
    made = {f"{topic}.json": _topic(topic, recorded) for topic in TOPICS}
    return {name: _text(content) for name, content in ({"recorded.json": recorded.content()} | made).items()}


def _topic(topic: str, recorded: Recorded) -> Vector:
    sections, vectors = TOPICS[topic]
    return {
        "topic": topic,
        "protocol": "privatelink/1",
        "provenance": {
            "made_by": "python -m tests.vectors.make",
            "from": f"docs/protocol.md, section {sections}, as tests/vectors/reference.py reads it",
            "format": "tests/vectors/README.md",
        },
        "vectors": vectors(recorded),
    }


def _text(content: Vector) -> str:
    return json.dumps(content, indent=1, ensure_ascii=True, default=_hex) + "\n"


def _hex(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"no JSON for {type(value)}")
    return value.hex()


def main(folder: Path) -> None:
    for name, text in files(Recorded.load()).items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
