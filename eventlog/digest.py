"""The content digest: what was done, whoever did it, wherever and however often it was interrupted.

Over plaintext items, sorted by their id, each part length-prefixed; it leaves out times, attempts and owners, so it is
equal on every carrier, machine and Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct


class Item(Struct, frozen=True, order=True, gc=False):
    """One thing done: its stable id, its name, its arguments and its outcome, both as canonical bytes."""

    id: str
    name: str
    arguments: bytes
    outcome: bytes


def content_digest(items: Iterable[Item], result: bytes) -> str:
    """SHA-256, in hexadecimal, over the items in the order of their ids and then the result."""
    total = sha256()
    for item in sorted(items):
        for part in (item.id.encode(), item.name.encode(), item.arguments, item.outcome):
            total.update(b"%d:" % len(part))
            total.update(part)
    total.update(b"=%d:" % len(result))
    total.update(result)
    return total.hexdigest()
