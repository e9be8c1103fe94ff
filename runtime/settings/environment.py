"""Values that environment variables give; what does not fit is Invalid, by the name of its variable."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...eventlog.errors import Invalid

YES, NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})

COUNT_MAX = 2**31 - 1


def switch_of(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Yes or no."""
    text = environment.get(name, "").lower()
    if text and text not in YES | NO:
        raise _unfit(name, "true or false", text, f"unset it for {'true' if default else 'false'}")
    return default if not text else text in YES


def number_of(environment: Mapping[str, str], name: str, default: float, what: str = "seconds", *, zero: str = "") -> float:
    """A number of `what` above 0; where `zero` says what that means, 0 too."""
    text = environment.get(name, "")
    try:
        number = float(text or default)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf or not (number or zero):
        raise _unfit(name, f"a number of {what}" + (f", or 0 {zero}" if zero else ""), text, f"unset it for {default:g}")
    return number


def count_of(environment: Mapping[str, str], name: str, default: int, largest: int = COUNT_MAX) -> int:
    """A whole number from 1 to `largest`."""
    text = environment.get(name, "") or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(largest)) and 0 < int(text) <= largest):
        raise _unfit(name, f"a whole number from 1 to {largest}", text, f"unset it for {default}")
    return int(text)


def _unfit(name: str, expected: str, found: str, instead: str) -> Invalid:
    return Invalid("a setting does not fit", who=name, where="environment", expected=expected, found=repr(found),
                   instead=f"correct it, or {instead}")
