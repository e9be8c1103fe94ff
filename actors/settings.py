"""Bounds of the dispatcher: every queue has one, every wait a deadline."""

from __future__ import annotations

from msgspec import Struct


class Settings(Struct, frozen=True, gc=False):
    """Counts are letters or actors, times seconds."""

    mail_max: int = 1_000
    """Letters in one mailbox before its senders wait."""
    asks_max: int = 100_000
    """Callers that wait for an answer before the next is turned away."""
    ask_seconds: float = 30.0
    """How long a caller waits who names no deadline."""
    restarts_max: int = 3
    """How often an actor's own code may fail within `restart_seconds` before the actor is given up (OTP: intensity)."""
    restart_seconds: float = 60.0
    """OTP: period."""
    passivate_seconds: float = 30.0
    """How often idle actors are looked for; one that stayed idle in between is forgotten."""
    held_bytes_max: int = 128 * 1024 * 1024
    """Bytes of the log that states in memory may be folded from, before idle actors are forgotten at once, the longest untouched first.

    Each actor counts as `passivating.ACTOR_BYTES` more, for what it costs however short its stream is.
    """
