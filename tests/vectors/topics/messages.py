"""message-keys, segments, padding and media-types: sections 4, 5, 6 and 12."""

from __future__ import annotations

from tests.vectors import reference, wire
from tests.vectors.material import Recorded, Vector, drawn, flipped, invalid, nonce, valid
from tests.vectors.reference import STREAMED, WHOLE


def message_keys(recorded: Recorded) -> list[Vector]:
    vectors = []
    for secret in ("x25519-a 1", "xwing-a 1"):
        link_key, slug = recorded.link_key(secret), secret.replace(" ", "-")
        for form in (WHOLE, STREAMED):
            vectors += [
                _request(f"{slug}-request-{form}", link_key, form, nonce("request 1")),
                _response(f"{slug}-response-{form}", link_key, form, nonce("request 1"), nonce("response 1")),
            ]
    link_key = recorded.link_key("x25519-a 1")
    zeros, cut = bytes(16), "cut or padded, the two nonces would be those of zero-nonces"
    return [
        *vectors,
        _request("request-zero-nonce", link_key, WHOLE, zeros),
        _response("response-zero-nonces", link_key, WHOLE, zeros, zeros),
        _response("response-other-request", link_key, WHOLE, nonce("request 2"), nonce("response 1")),
        _response("response-other-nonce", link_key, WHOLE, nonce("request 1"), nonce("response 2")),
        _wrong("request-nonce-short", "15 bytes", link_key, zeros[:15]),
        _wrong("request-nonce-long", "17 bytes", link_key, bytes(17)),
        _wrong("request-nonce-empty", "no bytes", link_key, b""),
        _wrong("response-nonce-short", f"15 bytes: {cut}", link_key, bytes(17), zeros[:15]),
        _wrong("response-nonce-long", f"17 bytes: {cut}", link_key, zeros[:15], bytes(17)),
    ]


def _request(name: str, link_key: bytes, form: int, request_nonce: bytes) -> Vector:
    keys = reference.request_keys(link_key, form, request_nonce)
    inputs = {"direction": "request", "link_key": link_key, "form": form, "request_nonce": request_nonce}
    return _message_keys(name, inputs, keys)


def _response(name: str, link_key: bytes, form: int, request_nonce: bytes, response_nonce: bytes) -> Vector:
    keys = reference.response_keys(link_key, form, request_nonce, response_nonce)
    inputs = {
        "direction": "response",
        "link_key": link_key,
        "form": form,
        "request_nonce": request_nonce,
        "response_nonce": response_nonce,
    }
    return _message_keys(name, inputs, keys)


def _message_keys(name: str, inputs: Vector, keys: reference.MessageKeys) -> Vector:
    reason = f"the keys of one {inputs['direction']}, and of no other"
    prk = reference.hkdf_extract(b"", inputs["link_key"])
    intermediates = {"info": keys.info, "prk": prk, "okm": keys.key + keys.base_nonce}
    return valid(name, reason, inputs, {"key": keys.key, "base_nonce": keys.base_nonce}, intermediates)


def _wrong(name: str, reason: str, link_key: bytes, request: bytes, response: bytes | None = None) -> Vector:
    inputs = {"direction": "request", "link_key": link_key, "form": WHOLE, "request_nonce": request}
    if response is not None:
        inputs |= {"direction": "response", "response_nonce": response}
    return invalid(name, reason, inputs, "nonce-length")


def segments(recorded: Recorded) -> list[Vector]:
    keys = reference.request_keys(recorded.link_key("x25519-a 1"), STREAMED, nonce("segments"))
    text = b"a segment"
    good = reference.seal_segment(keys, 1, text, final=False)
    last = reference.seal_segment(keys, 1, text, final=True)
    sealings = [
        _segment(f"index-{index}-{'final' if final else 'more'}", keys, index, text, final=final)
        for index in (0, 1, 255, 256, 65_536, 2**32 - 1)
        for final in (False, True)
    ]
    return [
        *sealings,
        _segment("empty-final", keys, 2, b"", final=True),
        _segment("long", keys, 0, drawn("segment", 1000), final=False),
        _unopened(
            "made-final", "a segment that was not final passed off as final", keys, 1, good, final=True
        ),
        _unopened("made-more", "a final segment passed off as one before others", keys, 1, last, final=False),
        _unopened("moved-back", "segment 1 in the place of 0", keys, 0, good),
        _unopened("moved-on", "segment 1 in the place of 2", keys, 2, good),
        _unopened("flipped", "a bit of the ciphertext flipped", keys, 1, flipped(good, 0)),
        _unopened("tag-flipped", "a bit of the tag flipped", keys, 1, flipped(good, -1)),
        _unopened("tag-cut", "the last byte of the tag cut", keys, 1, good[:-1]),
        _unopened("extended", "a zero byte added", keys, 1, good + b"\0"),
        _unopened("shorter-than-a-tag", "15 bytes", keys, 1, good[:15]),
        _unopened("empty", "no bytes", keys, 1, b""),
        _unopened("index-2-32", "an index of 2^32", keys, 2**32, good),
        _unopened(
            "other-keys",
            "another message's segment",
            reference.request_keys(recorded.link_key("x25519-a 1"), WHOLE, nonce("segments")),
            1,
            good,
        ),
    ]


def _segment(name: str, keys: reference.MessageKeys, index: int, text: bytes, *, final: bool) -> Vector:
    return valid(
        name,
        "seals to this, and opens again",
        {"key": keys.key, "base_nonce": keys.base_nonce, "index": index, "final": final, "plaintext": text},
        {"ciphertext": reference.seal_segment(keys, index, text, final=final)},
        {"nonce": reference.segment_nonce(keys.base_nonce, index), "aad": b"final" if final else b""},
    )


def _unopened(
    name: str,
    reason: str,
    keys: reference.MessageKeys,
    index: int,
    ciphertext: bytes,
    *,
    final: bool = False,
) -> Vector:
    inputs = {"key": keys.key, "base_nonce": keys.base_nonce, "index": index, "final": final}
    return invalid(name, reason, {**inputs, "ciphertext": ciphertext}, "bad-envelope")


def padding(_recorded: Recorded) -> list[Vector]:
    lengths = [*range(70), 100, 127, 128, 129, 255, 256, 257, 1000, 1023, 1024, 1025, 4095, 4097]
    lengths += [65_535, 65_536, 65_537, 100_000, 999_999, 2**20, 2**20 + 1, 8 * 2**20 + 1]
    return [_padded(length) for length in lengths]


def _padded(length: int) -> Vector:
    """Tries every field from the smallest up: the rule as the page states it, without arithmetic."""
    target, zeros = reference.padme(length), None
    padded = length
    if target > length:
        zeros = max(0, target - length - 8)
        while length + len(wire.padding(zeros)) < target:
            zeros += 1
        padded = length + len(wire.padding(zeros))
    field = b"" if zeros is None else wire.padding(zeros)
    return valid(
        f"length-{length}",
        "the length to pad to, and the padding field that reaches it or the least above it",
        {"length": length},
        {"padded_length": padded},
        {"padme_length": target, "field_header": field[: len(field) - (zeros or 0)], "zeros": zeros},
    )


def media_types(_recorded: Recorded) -> list[Vector]:
    good = {
        "whole": ("application/privatelink", WHOLE),
        "streamed": ("application/privatelink-stream", STREAMED),
        "parameter": ("application/privatelink; charset=utf-8", WHOLE),
        "parameter-without-space": ("application/privatelink;v=1", WHOLE),
        "space-before-parameter": ("application/privatelink ; v=1", WHOLE),
        "semicolon-alone": ("application/privatelink-stream;", STREAMED),
        "parameter-of-the-other-form": ("application/privatelink; application/privatelink-stream", WHOLE),
    }
    bad = {
        "none": ("no content type", None),
        "empty": ("an empty one", ""),
        "hidden-in-parameter": ("the media type is text/plain", "text/plain; application/privatelink"),
        "second-in-list": ("a list, and of another type", "text/plain, application/privatelink"),
        "first-in-list": ("a list", "application/privatelink, text/plain"),
        "keys": ("the directory's", "application/privatelink-keys"),
        "suffix": ("longer", "application/privatelinks"),
        "prefix": ("shorter", "application/private"),
        "structured-suffix": ("a suffix", "application/privatelink+json"),
        "upper-case": ("compared exactly", "Application/PrivateLink"),
        "ohttp": ("Oblivious HTTP's", "message/ohttp-req"),
        "octet-stream": ("a body without a name", "application/octet-stream"),
        "no-slash": ("no media type", "privatelink"),
        "line-break": ("a line break", "application/privatelink\n"),
        "nul": ("a NUL", "application/privatelink\0"),
        "kelvin-sign": ("a letter that folds to an ASCII one", "application/privatelin\u212a"),
    }
    return [
        valid(name, "named exactly, parameters apart", {"content_type": given}, {"form": form})
        for name, (given, form) in good.items()
    ] + [
        invalid(name, reason, {"content_type": given}, "media-type") for name, (reason, given) in bad.items()
    ]
