"""What every request says: who is meant, and how long the answer may take."""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, frozen=True, tag_field="request", kw_only=True, omit_defaults=True):
    """Who is meant, and how long the answer may take (seconds)."""

    tenant: str = "default"
    command: str = ""
    within: float | None = None
