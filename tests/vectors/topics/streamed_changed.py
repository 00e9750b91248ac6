"""streamed, what becomes of a right message on the way: cut, mixed, bent, re-framed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.vectors import wire
from tests.vectors.envelopes import Request, Response
from tests.vectors.material import flipped
from tests.vectors.streams import Stream, framed

Bodies = dict[str, tuple[str, bytes]]


def changed(good: Stream, other: Stream) -> Bodies:
    return _preambles(good) | _lengths(good) | _ends(good) | _order(good, other) | _tampered(good)


def _preambles(good: Stream) -> Bodies:
    """By these the keys are found, or not."""
    message, frames = good.message, b"".join(good.frames)
    too_long = message + wire.field(900, bytes(2_049 - len(message) - 4))
    length = wire.varint(len(message))
    return {
        "preamble-of-2049": ("2,049 bytes", replace(good, message=too_long).body),
        "preamble-of-2-63": ("a length of 2^63", wire.varint(2**63) + message + frames),
        "preamble-length-in-three": (
            "a varint of three bytes, of a length that one would hold",
            bytes([len(message) | 0x80, 0x80, 0]) + message + frames,
        ),
        "preamble-empty": ("no bytes", b"\0" + frames),
        "preamble-one-longer": ("a length of one more", wire.varint(len(message) + 1) + message + frames),
        "preamble-one-shorter": ("a length of one less", wire.varint(len(message) - 1) + message + frames),
        "preamble-not-protobuf": ("no message", length + b"\xff" * len(message) + frames),
        "preamble-removed": ("the segments alone", frames),
    }


def _lengths(good: Stream) -> Bodies:
    """Refused as soon as four bytes are there: nothing of such a length is waited for."""
    first, second = good.frames[:2]
    cases = {
        "0": ("no bytes", b"\0" * 4),
        "15": ("15 bytes: shorter than a tag", framed(bytes(15))),
        "15-final": ("15 bytes, the final bit set", framed(bytes(15), final=True)),
        "66001": ("66,001 bytes, none of which has come yet", (66_001).to_bytes(4, "big")),
        "2-31": ("2^31 - 1 bytes", b"\x7f\xff\xff\xff"),
        "2-31-final": ("2^31 - 1 bytes, the final bit set", b"\xff" * 4),
        "little-endian": ("the length in little-endian", second[3::-1] + second[4:]),
    }
    return {f"length-{name}": (why, good.with_frames([first, wrong])) for name, (why, wrong) in cases.items()}


def _ends(good: Stream) -> Bodies:
    body, first, second = good.body, *good.frames[:2]
    start = len(good.preamble)
    return {
        "no-bytes": ("no bytes at all", b""),
        "ends-in-preamble": ("ends inside the preamble", body[: start - 1]),
        "ends-after-preamble": ("ends after the preamble", body[:start]),
        "ends-in-segment-0": ("ends inside segment 0", body[: start + len(first) - 1]),
        "ends-after-segment-0": ("ends after segment 0", good.with_frames([first])),
        "ends-in-length": ("ends inside a length", good.with_frames([first, second[:3]])),
        "ends-after-length": ("ends after a length", good.with_frames([first, second[:4]])),
        "ends-after-more": (
            "ends after a segment that is not final",
            good.with_frames(good.frames[:3]),
        ),
        "ends-in-final": ("ends inside the final segment", body[:-1]),
        "byte-after-end": ("a byte after the final segment", body + b"\0"),
        "segment-after-end": ("a whole segment after the final one", body + second),
        "final-doubled": ("the final segment twice", body + good.frames[-1]),
        "message-twice": ("the whole message twice", body + body),
    }


def _order(good: Stream, other: Stream) -> Bodies:
    head, one, two, three = good.frames
    cases: dict[str, tuple[str, Iterable[bytes]]] = {
        "swapped": ("segments 1 and 2 swapped", [head, two, one, three]),
        "swapped-with-final": ("the final segment before its neighbor", [head, one, three, two]),
        "swapped-with-head": ("segments 0 and 1 swapped", [one, head, two, three]),
        "dropped": ("segment 2 dropped", [head, one, three]),
        "dropped-first": ("segment 1 dropped", [head, two, three]),
        "dropped-head": ("segment 0 dropped", [one, two, three]),
        "dropped-all": ("the final segment after segment 0", [head, three]),
        "doubled": ("segment 1 twice", [head, one, one, two, three]),
        "doubled-head": ("segment 0 twice", [head, head, one, two, three]),
        "spliced": ("a segment of another message, of the same place", [head, one, other.frames[2], three]),
        "spliced-head": ("another message's segment 0", [other.frames[0], one, two, three]),
        "merged": ("segments 1 and 2 as one", [head, framed(one[4:] + two[4:]), three]),
    }
    return {f"segments-{name}": (why, good.with_frames(frames)) for name, (why, frames) in cases.items()}


def _tampered(good: Stream) -> Bodies:
    head, one, two, three = good.frames
    sealed = good.ciphertexts
    cases: dict[str, tuple[str, Iterable[bytes]]] = {
        "final-bit-cleared": ("the final segment passed off as another", [head, one, two, framed(sealed[3])]),
        "final-bit-set": ("a segment passed off as the final one", [head, framed(sealed[1], final=True)]),
        "final-bit-set-on-head": ("segment 0 passed off as final", [framed(sealed[0], final=True)]),
        "head-flipped": ("a bit of segment 0 flipped", [flipped(head, 4), one, two, three]),
        "ciphertext-flipped": ("a bit of segment 2 flipped", [head, one, flipped(two, 4), three]),
        "tag-flipped": ("a bit of the final tag flipped", [head, one, two, flipped(three, -1)]),
        "segment-extended": ("a zero byte added to segment 1", [head, framed(sealed[1] + b"\0"), two, three]),
        "segment-cut": ("the last byte of segment 1 cut", [head, framed(sealed[1][:-1]), two, three]),
    }
    return {name: (why, good.with_frames(frames)) for name, (why, frames) in cases.items()}


def reframed(good: Stream, whole: Request | Response) -> Bodies:
    """The way back is in `whole`: streamed-segment-0, streamed-keys and streamed-body."""
    return {
        "whole-as-final": (
            "a whole message's ciphertext as the one segment",
            good.with_frames([framed(whole.ciphertext, final=True)]),
        ),
        "whole-as-head": (
            "a whole message's ciphertext as segment 0",
            good.with_frames([framed(whole.ciphertext), *good.frames[1:]]),
        ),
        "whole-as-chunk": (
            "a whole message's ciphertext as the final segment",
            good.with_frames([good.frames[0], framed(whole.ciphertext, final=True)]),
        ),
        "whole-as-preamble": (
            "a whole message as the preamble, its ciphertext left in it",
            replace(good, message=whole.body).body,
        ),
        "whole-body": ("the whole form on the streamed form's path", whole.body),
    }
