"""Names of streams: `kind/tenant/id`, each part escaped, the same on every carrier."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

from .errors import Invalid

STREAM_BYTES_MAX = 200
PLAIN = re.compile(r"[A-Za-z0-9-]*")
ESCAPE = re.compile(r"[^A-Za-z0-9-]")
ESCAPED = re.compile(r"_([0-9a-f]{2})")


def escape(part: str) -> str:
    """The part in `[A-Za-z0-9_-]`: every other byte, and `_` itself, as `_` and two hexadecimal digits."""
    if PLAIN.fullmatch(part):
        return part
    return ESCAPE.sub(lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), part)


def unescape(part: str) -> str:
    if "_" not in part:
        return part
    raw = ESCAPED.sub(lambda found: chr(int(found[1], 16)), part)
    return raw.encode("latin-1").decode()


def stream_of(kind: str, tenant: str, id: str) -> str:
    """The stream of an actor; a name over 200 bytes is Invalid."""
    stream = prefix_of(kind, tenant) + escape(id)
    if not id or len(stream) > STREAM_BYTES_MAX:
        raise Invalid(
            "an id does not fit a stream name",
            who=f"{kind} of tenant {tenant!r}",
            where="id",
            expected=f"1 to {STREAM_BYTES_MAX - len(stream) + len(escape(id))} bytes after escaping",
            found=f"{len(escape(id))} bytes",
            instead="choose a shorter id, for example a digest of the long one",
        )
    return stream


@lru_cache(maxsize=1024)
def prefix_of(kind: str, tenant: str) -> str:
    """How the streams of a tenant's actors of one kind begin."""
    return f"{escape(kind)}/{escape(tenant)}/"


def parts_of(stream: str) -> tuple[str, str, str]:
    """(kind, tenant, id) of a stream."""
    kind, tenant, id = stream.split("/")
    return unescape(kind), unescape(tenant), unescape(id)


def shortened(id: str, room: int) -> str:
    """The id, or, where it is longer than `room` bytes once escaped, a prefix of it and a digest."""
    if len(escape(id)) <= room:
        return id
    mark = sha256(id.encode()).hexdigest()[:16]
    kept = id
    while len(escape(kept)) > room - 17:
        kept = kept[:-1]
    return f"{kept}-{mark}"


def partition_of(stream: str, partitions: int) -> int:
    """FNV-1a, 32 bits, modulo the number of partitions (Fowler, Noll, Vo; as nats-server's partition() transform)."""
    digest = 0x811C9DC5
    for byte in stream.encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest % partitions
