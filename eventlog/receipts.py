"""Receipts: what somebody may keep of an answer, to have it found later if the log was put back behind it.

A receipt names the newest record of a stream by its version and its digest. The digest covers all records before it, so
whoever shows the receipt shows that the stream once held just these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import Invalid
from .records import Record, Tail

FORM = re.compile(r"([A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[A-Za-z0-9_-]+):([1-9][0-9]{0,17}):([0-9a-f]{64})")


def receipt_of(stream: str, tail: Tail) -> str:
    """`STREAM:VERSION:DIGEST`, the digest in hexadecimal; empty where the stream holds nothing."""
    return f"{stream}:{tail.version}:{tail.digest.hex()}" if tail.version else ""


def read_receipt(text: str) -> tuple[str, Tail]:
    """The stream that a receipt names, and how far it had come."""
    found = FORM.fullmatch(text)
    if found is None:
        raise Invalid("this is no receipt", who="receipt", expected="STREAM:VERSION:DIGEST, as answers hold it", found=repr(text[:120]),
                      instead="hand on `receipt` of an answer as it is, without a change")
    return found[1], Tail(int(found[2]), bytes.fromhex(found[3]))


def holds(records: Iterable[Record], tail: Tail) -> bool:
    """Whether one of the records, whose chain is verified, is the one that a receipt names."""
    return any(record.last == tail.version and record.digest == tail.digest for record in records)
