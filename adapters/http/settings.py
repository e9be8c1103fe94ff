"""Settings of the service, with the environment variables that give them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class HttpSettings(Struct, frozen=True, kw_only=True):
    """How the service knows who asks, and how much it takes at once."""

    key_secret: str = ""
    """By which keys are known (`PERDURE_KEY_SECRET`); without it none is."""
    single_user: bool = False
    """Whether who is at this machine may everything, and nobody else anything (`perdure serve --single-user`)."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, single_user: bool = False) -> HttpSettings:
        return cls(key_secret=environment.get("PERDURE_KEY_SECRET", ""), single_user=single_user)
