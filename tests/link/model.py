"""Section 7's rules for inner requests as a predicate: character by character, with no regular expression.

It is there to disagree with extproc.link.validation, so it shares nothing with it.
"""

from __future__ import annotations

import string
from collections import Counter

from extproc.link.pb import privatelink_pb2 as pb

LETTERS_DIGITS = string.ascii_letters + string.digits
TCHAR = "!#$%&'*+-.^_`|~" + LETTERS_DIGITS
UNRESERVED = LETTERS_DIGITS + "-._~"
VISIBLE = {chr(code) for code in range(0x21, 0x7F)}
OF_CONNECTION = ["connection", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive"]
ONCE = ["host", "content-length", "content-type", "authorization", "origin", "referer"]


def is_forbidden(
    inner: pb.InnerRequest, link_path: str, *, encoded_slash: bool, streamed: bool = False
) -> bool:
    return (
        _line(inner)
        or _path(inner.path, link_path, encoded_slash=encoded_slash)
        or any(is_forbidden_field(header) for header in inner.headers)
        or _headers_together(inner, streamed=streamed)
        or _rest(inner)
    )


def _line(inner: pb.InnerRequest) -> bool:
    if len(inner.method) > 32 or len(inner.authority) > 255 or len(inner.path) > 16_384:
        return True
    is_token = inner.method != "" and all(character in TCHAR for character in inner.method)
    if not is_token or inner.method.lower() in {"connect", "trace"}:
        return True
    return inner.scheme not in ("http", "https") or _authority(inner.authority)


def _authority(authority: str) -> bool:
    host, port = authority, "1"
    after_bracket = authority[authority.rfind("]") + 1 :]
    if ":" in after_bracket:
        port = after_bracket[after_bracket.index(":") + 1 :]
        host = authority[: len(authority) - len(port) - 1]
    if any(digit not in string.digits for digit in port) or not 1 <= len(port) <= 5 or port[0] == "0":
        return True
    if int(port) > 65535:
        return True
    if host.startswith("[") and host.endswith("]"):
        return len(host) < 3 or any(c not in string.hexdigits + ":." for c in host[1:-1])
    outer = host[:1] + host[-1:]
    return (
        host == ""
        or any(c not in LETTERS_DIGITS for c in outer)
        or any(c not in LETTERS_DIGITS + "._-" for c in host)
    )


def normal(path: str) -> str:
    """A path with the escapes of unreserved characters undone, one character after another."""
    for character in UNRESERVED:
        digits = f"{ord(character):02x}"
        for escape in (digits, digits.upper()):
            path = path.replace("%" + escape, character)
    return path


def _path(target: str, link_path: str, *, encoded_slash: bool) -> bool:
    if target[:1] != "/" or target[:2] == "//":
        return True
    if any(character in "\\#" or character not in VISIBLE for character in target):
        return True
    path = target.split("?", maxsplit=1)[0]
    escapes = path.split("%")[1:]
    if any(len(e) < 2 or e[0] not in string.hexdigits or e[1] not in string.hexdigits for e in escapes):
        return True
    codes = [int(e[:2], 16) for e in escapes]
    if 0x5C in codes or 0 in codes or (0x2F in codes and not encoded_slash):
        return True
    path = normal(path)
    segments = path.replace("%2f", "/").replace("%2F", "/").split("/")
    if "" in segments[1:-1] or any(segment.split(";")[0] in {".", ".."} for segment in segments):
        return True
    return path == link_path or path.startswith(link_path + "/")


def is_forbidden_field(header: pb.Header) -> bool:
    name, value = header.name, header.value
    if name == "" or any(c not in TCHAR or c == "_" or c in string.ascii_uppercase for c in name):
        return True
    if name in OF_CONNECTION or name[:6] == "proxy-" or name[:7] == "x-link-":
        return True
    if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in value):
        return True
    return value[:1] in (b" ", b"\t") or value[-1:] in (b" ", b"\t")


def _headers_together(inner: pb.InnerRequest, *, streamed: bool) -> bool:
    counts = Counter(header.name for header in inner.headers)
    size = sum(len(header.name) + len(header.value) for header in inner.headers)
    if len(inner.headers) > 200 or size > 65536 or any(counts[name] > 1 for name in ONCE):
        return True
    for header in inner.headers:
        if header.name == "host" and header.value != inner.authority.encode():
            return True
        length = None if streamed else len(inner.body)
        if header.name == "content-length" and not _is_length(header.value, length):
            return True
    return False


def _is_length(value: bytes, length: int | None) -> bool:
    """Decimal digits, perhaps with zeros before them, that say `length`, or any length when there is none."""
    if not 0 < len(value) < 20 or any(byte not in b"0123456789" for byte in value):
        return False
    return length is None or int(value) == length


def _rest(inner: pb.InnerRequest) -> bool:
    tags = inner.client.tags
    return (
        len(inner.exchange_id) != 16
        or len(inner.cookie_binding) not in (0, 32)
        or len(tags) > 16
        or any(len(text) > 64 for tag in tags.items() for text in tag)
    )
