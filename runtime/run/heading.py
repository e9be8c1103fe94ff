"""What the head of a run says beside its status, so that runs are found without looking into every one."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from .state import RunState, json_of

ASKS = {"perdure.asks": Raw(b"true")}
"""The run asks people something."""

STORES = "perdure.stores"
"""The run has ended, and still keeps artifacts: since when, in microseconds since 1970."""

BY = "perdure.by"
"""Whose run it is."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def attributes_of(facts: RunState) -> bytes:
    """The attributes that its code has set, and these."""
    told = facts.attributes
    if facts.approvals and not facts.ended:
        told = told | ASKS
    if facts.stores and facts.ended and not facts.away:
        told = told | {STORES: json_of(facts.ended_at)}
    if facts.by:
        told = told | {BY: json_of(facts.by)}
    return _encode(told) if told else b"{}"
