"""Inner requests to refuse: what each changes in one that is good (section 7)."""

from __future__ import annotations

from tests.vectors.envelopes import HOST
from tests.vectors.topics.inner_good import BASE, Cases, header


def lines() -> Cases:
    methods = {
        "empty": "",
        "too-long": "M" * 33,
        "connect": "CONNECT",
        "trace": "TRACE",
        "connect-lower-case": "connect",
        "trace-mixed-case": "TrAcE",
        "space-at-end": "GET ",
        "space-inside": "GE T",
        "line-break": "GET\r\n",
        "newline-at-end": "GET\n",
        "request-line": "GET / HTTP/1.1\r\nx:",
        "colon": "GET:",
        "slash": "GET/",
        "not-ascii": "GÉT",
        "nul": "GET\0",
    }
    schemes = {
        "empty": "",
        "upper-case": "HTTPS",
        "colon": "https:",
        "ftp": "ftp",
        "ws": "ws",
        "space": "https ",
        "newline-at-end": "https\n",
        "long-s": "http\u017f",
    }
    authorities = {
        "empty": "",
        "too-long": "a" * 256,
        "user": "user@shop.example.com",
        "password": "a:b@shop.example.com",
        "port-empty": "shop.example.com:",
        "port-alone": ":443",
        "port-0": "shop.example.com:0",
        "port-65536": "shop.example.com:65536",
        "port-99999": "shop.example.com:99999",
        "port-of-6-digits": "shop.example.com:100000",
        "port-text": "shop.example.com:https",
        "port-sign": "shop.example.com:+443",
        "port-fullwidth": "shop.example.com:\uff14\uff14\uff13",
        "port-twice": "shop.example.com:443:443",
        "port-then-user": "shop.example.com:443@evil.example",
        "space": "shop.example.com evil.example",
        "comma": "shop.example.com,evil.example",
        "slash": "shop.example.com/evil",
        "query": "shop.example.com?evil",
        "fragment": "shop.example.com#evil",
        "backslash": "shop.example.com\\evil",
        "escape": "shop%2eexample.com",
        "url": "https://shop.example.com",
        "line-break": "shop.example.com\r\nx: y",
        "newline-at-end": "shop.example.com\n",
        "nul": "shop.example.com\0",
        "not-ascii": "größe.example",
        "ideographic-stop": "shop\u3002example.com",
        "ipv6-bare": "::1",
        "ipv6-open": "[::1",
        "ipv6-tail": "[::1]evil",
        "ipv6-empty": "[]",
        "star": "*",
    }
    return (
        {f"method-{name}": ("no method of section 7", {"method": method}) for name, method in methods.items()}
        | {f"scheme-{name}": ('neither "http" nor "https"', {"scheme": s}) for name, s in schemes.items()}
        | {f"authority-{name}": ("no host or host:port", {"authority": a}) for name, a in authorities.items()}
    )


def names() -> Cases:
    names = {
        "empty": "",
        "upper-case": "X-A",
        "one-upper-case": "x-linK",
        "underscore": "x_a",
        "space": "x a",
        "space-at-end": "x-a ",
        "tab": "x-a\t",
        "colon": "x-a:",
        "line-break": "x-a\r\nx-b",
        "newline-at-end": "x-a\n",
        "nul": "x-a\0",
        "parenthesis": "x(a)",
        "comma": "x,a",
        "semicolon": "x;a",
        "quote": 'x"a',
        "slash": "x/a",
        "equals": "x=a",
        "at": "x@a",
        "brackets": "x[a]",
        "backslash": "x\\a",
        "braces": "x{a}",
        "del": "x\x7f",
        "not-ascii": "x-é",
        "kelvin-sign": "x-lin\u212a",
        "dotless-i": "x-l\u0131nk-risk",
    }
    own = ("x_link_risk", "x-link_risk", "x-link-risk", "x-link-opened", "x-link-")
    pseudo = (":path", ":method", ":authority", ":scheme", ":status", ":protocol", ":")
    return (
        {f"name-{name}": ("no lower-case token without _", header(n, b"1")) for name, n in names.items()}
        | {f"name-{n}": ("the link's own, or what becomes it", header(n, b"1")) for n in own}
        | {f"name-{n}": ("a pseudo-header", header(n, b"1")) for n in pseudo}
    )


def values() -> Cases:
    values = {
        "cr": b"a\rb",
        "lf": b"a\nb",
        "crlf-header": b"a\r\nx-b: c",
        "crlf-request": b"a\r\n\r\nGET /admin HTTP/1.1",
        "nul": b"a\0b",
        "newline-at-end": b"a\n",
        "cr-at-end": b"a\r",
        "space-at-start": b" a",
        "space-at-end": b"a ",
        "tab-at-start": b"\ta",
        "tab-at-end": b"a\t",
        "space-alone": b" ",
        "control": b"a\x01b",
        "escape": b"a\x1bb",
        "vertical-tab": b"a\x0bb",
        "form-feed-at-end": b"a\x0c",
        "del": b"a\x7fb",
    }
    return {f"value-{name}": ("no field value", header("x-a", value)) for name, value in values.items()}


def fields() -> Cases:
    of_connection = (
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-anything",
        "proxy-",
    )
    single = {
        "host": HOST.encode(),
        "content-length": b"5",
        "content-type": b"text/plain",
        "authorization": b"Bearer a",
        "origin": b"https://app.example.com",
        "referer": b"https://app.example.com/",
    }
    hosts = {
        "other": b"evil.example",
        "empty": b"",
        "with-port": HOST.encode() + b":443",
        "upper-case": b"SHOP.example.com",
        "list": HOST.encode() + b", evil.example",
    }
    lengths = {
        "more": b"6",
        "less": b"4",
        "zero": b"0",
        "negative": b"-5",
        "sign": b"+5",
        "hexadecimal": b"0x5",
        "list": b"5, 5",
        "decimal": b"5.0",
        "exponent": b"5e0",
        "empty": b"",
        "fullwidth": "\uff15".encode(),
        "underscore": b"0_5",
        "arabic-digit": "\u0665".encode(),
        "2-64-and-5": b"18446744073709551621",
        "2-32-and-5": b"4294967301",
    }
    reason = "content-length is not the body's length"
    return (
        {f"field-{name}": ("of a connection, not of a message", header(name, b"a")) for name in of_connection}
        | {
            f"{n}-twice": ("occurs twice", {"headers": [(n, v), ("x", b"1"), (n, v)]})
            for n, v in single.items()
        }
        | {f"host-{name}": ("host is not the authority", header("host", v)) for name, v in hosts.items()}
        | {f"content-length-{name}": (reason, header("content-length", v)) for name, v in lengths.items()}
        | {
            "host-without-port": (
                "host is not the authority",
                {"authority": f"{HOST}:8443", **header("host", HOST.encode())},
            ),
            "content-length-twice-other": (
                "occurs twice, once rightly",
                {"headers": [("content-length", b"5"), ("content-length", b"6")]},
            ),
            "transfer-encoding-chunked": (
                "of a connection, beside a content-length that is right",
                {"headers": [("content-length", b"5"), ("transfer-encoding", b"chunked")]},
            ),
        }
    )


def rest() -> Cases:
    tags = {f"{i:02}": "a" for i in range(17)}
    return {
        "exchange-id-empty": ("no exchange id", {"exchange_id": b""}),
        "exchange-id-of-15": ("15 bytes", {"exchange_id": bytes(15)}),
        "exchange-id-of-17": ("17 bytes", {"exchange_id": bytes(17)}),
        "binding-of-31": ("31 bytes", {"cookie_binding": bytes(31)}),
        "binding-of-33": ("33 bytes", {"cookie_binding": bytes(33)}),
        "tags-17": ("17 tags", {"client": {"tags": tags}}),
        "tag-name-of-65": ("a name of 65 characters", {"client": {"tags": {"t" * 65: "a"}}}),
        "tag-value-of-65": ("a value of 65 characters", {"client": {"tags": {"t": "a" * 65}}}),
        "nothing": ("an empty InnerRequest", {name: type(value)() for name, value in BASE.items()}),
    }
