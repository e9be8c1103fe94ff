"""Guards before every decode: a byte cap and a nesting cap.

Deeply nested input can crash the decoder itself on Python before 3.14, so depth is measured on the bytes first.
"""

from __future__ import annotations

import re

from .errors import Invalid, TooLarge

DEPTH_MAX = 64
BYTES_MAX = 64 * 1024 * 1024
HARMLESS_BYTES = 512
"""What so few bytes can nest hurts no decoder: where only that matters, nobody need look at them first."""

STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
ONE_KIND = bytes.maketrans(b"{}", b"[]")
NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def guard(data: bytes, who: str, *, bytes_max: int = BYTES_MAX) -> bytes:
    """The data itself, if it is small and flat enough to decode; else Invalid, TooLarge among it."""
    if len(data) > bytes_max:
        raise TooLarge("the data is too large", who=who, expected=f"at most {bytes_max} bytes", found=f"{len(data)} bytes",
                      instead="keep large content in a file or an object store and pass its address")
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and depth_over(data, DEPTH_MAX):
        raise Invalid("the data is nested too deeply", who=who, where="$", expected=f"at most {DEPTH_MAX} levels of lists and objects",
                      found=f"more than {DEPTH_MAX} levels", instead="flatten the data, or pass it as a string")
    return data


def depth_over(data: bytes, limit: int) -> bool:
    """Whether brackets outside strings nest deeper than `limit`; unbalanced ones count as too deep."""
    brackets = STRINGS.sub(b"", data).translate(ONE_KIND, NOT_BRACKETS)
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)
