"""What a list may be asked for, and how much of it is answered at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from ...eventlog.errors import Invalid

LIMIT_MAX = 1000


def must_be_a_page(limit: int) -> None:
    """Invalid where a page would hold nothing, or too much."""
    if not 1 <= limit <= LIMIT_MAX:
        raise Invalid("a page holds some and not all", who="limit", expected=f"1 to {LIMIT_MAX}", found=str(limit),
                      instead="go on with after=page.after")


def must_be_known(what: str, asked: Iterable[str], known: Collection[str]) -> None:
    """Invalid where a list would be empty because nothing can be called so."""
    for one in asked:
        if one not in known:
            near = get_close_matches(one, known, 1, 0)
            raise Invalid(f"there is no such {what}", who=what, where=what, expected=", ".join(known), found=repr(one[:80]),
                          instead=f"write {near[0] if near else 'one of these'}, or leave it out to have all")
