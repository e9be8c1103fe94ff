"""Settings of the service, with the environment variables that give them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ...eventlog.guard import BYTES_MAX
from ...runtime.settings.environment import count_of
from .auth.token_settings import TokenSettings


class HttpSettings(Struct, frozen=True, kw_only=True):
    """How the service knows who asks, and how much it takes at once."""

    key_secret: str = ""
    """By which keys are known (`PERDURE_KEY_SECRET`); without it none is."""
    tokens: TokenSettings | None = None
    """By which tokens are known (`PERDURE_JWT_*`); without them none is."""
    single_user: bool = False
    """Whether who is at this machine may everything, and nobody else anything (`perdure serve --single-user`)."""
    body_bytes_max: int = 1024 * 1024
    """Bytes that the body of a request may have (`PERDURE_HTTP_BODY_BYTES`)."""
    at_once_max: int = 2000
    """Requests under way at once, those who follow a run among them; one more is told to come again."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, single_user: bool = False) -> HttpSettings:
        size = count_of(environment, "PERDURE_HTTP_BODY_BYTES", 1024 * 1024, BYTES_MAX)
        tokens = TokenSettings.of(environment)
        return cls(
            key_secret=environment.get("PERDURE_KEY_SECRET", ""), tokens=tokens, single_user=single_user, body_bytes_max=size
        )
