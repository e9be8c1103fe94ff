"""Requests that no client would send: raw bytes, drawn from a seed, of every sort that has broken some server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random

START = b"/api/v1/workflows/runs"
BODY = b'{"workflow":"hello","arguments":["x"]}'


KEY = b"@key@"
"""Where the key of whoever sends them stands."""


def head(line: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([line, b"host: shop", b"x-api-key: " + KEY, *lines]) + b"\r\n\r\n"


def posted(*lines: bytes, body: bytes = BODY, path: bytes = START) -> bytes:
    return head(b"POST " + path + b" HTTP/1.1", b"content-type: application/json", *lines) + body


def request_line(chance: Random) -> bytes:
    return chance.choice(
        [
            b"GET\r\n\r\n",
            b"GET /healthz\r\n\r\n",
            b"/healthz HTTP/1.1\r\n\r\n",
            b"GET  /healthz  HTTP/1.1\r\nhost: x\r\n\r\n",
            head(b"GET /healthz HTTP/9.9"),
            head(b"GET /healthz HTTP/1.1 HTTP/1.1"),
            head(b"G\x00T /healthz HTTP/1.1"),
            head(b"GET /heal\x00thz HTTP/1.1"),
            head(b"GET /\xff\xfe HTTP/1.1"),
            head(b"PRI * HTTP/2.0"),
            head(b"GET http://other/ HTTP/1.1"),
            head(b"CONNECT other:443 HTTP/1.1"),
            head(b"OPTIONS * HTTP/1.1"),
            head(b"GET " + b"/" * 20_000 + b" HTTP/1.1"),
            head(b"GET /%00%ff%c0%af HTTP/1.1"),
            head(b"GET /api/v1/workflows/runs/..%2f..%2fetc HTTP/1.1"),
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
            head(b"A" * 40_000 + b" / HTTP/1.1"),
            b"\r\n" * 2000 + head(b"GET /healthz HTTP/1.1"),
            bytes(chance.randbytes(200)),
        ]
    )


def header(chance: Random) -> bytes:
    line = chance.choice(
        [
            b"x" * 70_000 + b": y",
            b"x: " + b"y" * 70_000,
            b"x y: z",
            b": empty",
            b"no colon at all",
            b"x: \x00",
            b"x: a\rb",
            b"x: a\nb",
            b" folded: line",
            b"x:\x0b\x0c",
            "x: \N{SNOWMAN}".encode(),
            b"x: \xff\xfe",
            b"host: other",
            b"content-length : 3",
            b"expect: 100-continue",
            b"expect: something",
            b"upgrade: h2c\r\nconnection: upgrade, http2-settings",
            b"connection: " + b"close, " * 500,
            b"upgrade: websocket\r\nconnection: upgrade",
            b"range: bytes=" + b"0-1," * 2000,
            b"content-encoding: gzip",
            b"te: trailers, chunked",
            b"x-http-method-override: DELETE",
            b"cookie: " + b"a=b; " * 3000,
        ]
    )
    return head(b"GET /healthz HTTP/1.1", line)


def flood(chance: Random) -> bytes:
    count, size = chance.choice([(150, 10), (2000, 10), (20_000, 4), (64, 900)])
    return head(b"GET /healthz HTTP/1.1", *(b"h%d: %b" % (number, b"v" * size) for number in range(count)))


def smuggled(chance: Random) -> bytes:
    inner = head(b"GET /metrics HTTP/1.1")
    lines = chance.choice(
        [
            [b"content-length: 4", b"transfer-encoding: chunked"],
            [b"transfer-encoding: chunked", b"content-length: 400"],
            [b"content-length: 3", b"content-length: 30"],
            [b"content-length: 3, 30"],
            [b"transfer-encoding: xchunked"],
            [b"transfer-encoding: chunked, identity"],
            [b"transfer-encoding: \x0bchunked"],
            [b"transfer-encoding: chunked", b"transfer-encoding: cow"],
            [b"transfer-encoding : chunked"],
            [b"transfer-encoding\r\n : chunked"],
            [b"content-length: +3"],
            [b"content-length: 0x3"],
            [b"content-length: 3 3"],
        ]
    )
    return posted(*lines, body=chance.choice([b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b""]) + inner)


def chunked(chance: Random) -> bytes:
    body = chance.choice(
        [
            b"zz\r\nabc\r\n0\r\n\r\n",
            b"-1\r\nabc\r\n",
            b"ffffffffffffffff\r\nabc",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"3;" + b"e" * 40_000 + b"\r\nabc\r\n0\r\n\r\n",
            b"3\nabc\n0\n\n",
            b"3\r\nabc0\r\n\r\n",
            b"0\r\nx: " + b"t" * 70_000 + b"\r\n\r\n",
            b"0\r\n" + b"t: v\r\n" * 5000 + b"\r\n",
            b"1\r\n{\r\n" * 400 + b"0\r\n\r\n",
            b"0x26\r\n" + BODY + b"\r\n0\r\n\r\n",
            b" 3\r\nabc\r\n0\r\n\r\n",
            b"",
        ]
    )
    return posted(b"transfer-encoding: chunked", body=body)


def length(chance: Random) -> bytes:
    said = chance.choice(
        [b"99999999999999999999999", b"-1", b"9223372036854775807", b"10737418240", b"1048577", b"1e3", b"", b"\xd9\xa3", b"0003", b"3"]
    )
    return posted(b"content-length: " + said, body=chance.choice([b"", BODY, b"{" * 2000]))


def json(chance: Random) -> bytes:
    body = chance.choice(
        [
            b"[" * 100_000,
            b'{"a":' * 50_000,
            b'{"workflow":"\xff\xfe","arguments":[]}',
            b'{"workflow":"hello","workflow":"asks"}',
            b'{"delay":1e400}',
            b"\x00" * 50,
            b'{"workflow":"hello","arguments":[1e400]}',
            b'{"workflow":"hello","arguments":["\\ud800"]}',
            b"\xef\xbb\xbf{}",
            b"NaN",
            b'"' + b"a" * 900_000 + b'"',
            b"{",
            b'{"workflow":"hello","arguments":[' + b"9" * 10_000 + b"]}",
            b'{"workflow":"hello","run":"' + b"r" * 5000 + b'"}',
            b'{"__proto__":{"x":1}}',
            b"null",
        ]
    )
    return posted(b"content-length: %d" % len(body), body=body)


def path(chance: Random) -> bytes:
    part = chance.choice(
        [
            b"%2e%2e%2f%2e%2e",
            b"..",
            b"%00",
            b"%ff%fe",
            b"a%2fb",
            b"%",
            b"%zz",
            b"%u0041",
            b"x" * 9000,
            b"{run_id}",
            b"%0d%0aset-cookie:%20x=y",
            b";a=b",
            b"\xc3\xa4",
            b"?since=%ff",
            b"?" + b"a=b&" * 5000,
            b"?since=1&since=2",
            b"?limit=" + b"9" * 5000,
            b"?wait=nan",
            b"?since=-1",
            b"?types=" + b"," * 9000,
            b"#x",
        ]
    )
    return head(b"GET " + START + b"/" + part + b" HTTP/1.1")


def half(chance: Random) -> bytes:
    """What ends too early: the other end goes away in the middle of it."""
    whole = posted(b"content-length: %d" % len(BODY))
    return whole[: chance.randrange(1, len(whole))]


def pipelined(chance: Random) -> bytes:
    one = chance.choice([head(b"GET /healthz HTTP/1.1"), posted(b"content-length: %d" % len(BODY)), head(b"HEAD /healthz HTTP/1.1")])
    return one * chance.randrange(2, 60)


def mutated(chance: Random) -> bytes:
    """A good request with some bytes that are not."""
    whole = bytearray(posted(b"content-length: %d" % len(BODY)))
    for _ in range(chance.randrange(1, 12)):
        whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)


SORTS: Mapping[str, Callable[[Random], bytes]] = {
    sort.__name__: sort for sort in (request_line, header, flood, smuggled, chunked, length, json, path, half, pipelined, mutated)
}


def drawn(seed: int, count: int, key: str) -> Iterator[tuple[str, bytes]]:
    """So many requests, as many of each sort, with the name of its sort."""
    names = list(SORTS)
    for number in range(count):
        sort = names[number % len(names)]
        yield sort, SORTS[sort](Random(f"{seed}:{number}")).replace(KEY, key.encode())
