"""How much of a list is answered at once."""

from __future__ import annotations

from ...eventlog.errors import Invalid

LIMIT_MAX = 1000


def must_be_a_page(limit: int) -> None:
    """Invalid where a page would hold nothing, or too much."""
    if not 1 <= limit <= LIMIT_MAX:
        raise Invalid("a page holds some and not all", who="limit", expected=f"1 to {LIMIT_MAX}", found=str(limit),
                      instead="go on with after=page.after")
