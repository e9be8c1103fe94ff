"""The gate for those who show a token (JWT): signed by who may, in a way that may be, for this service, and now.

Whatever is wrong with a token, its bearer is nobody: the answer is that of a wrong key. Which algorithm counts is for the settings and
the key to say, never for the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import jwt

from ....runtime.definitions.plain import is_list, is_map
from ....runtime.permissions import NAME
from .crowd import Crowd
from .jwks import KeySet, at_url, in_file
from .principals import Principal, Visitor
from .token_settings import TokenSettings

DOTS = 2
BYTES_MAX = 8 * 1024
ROLES_MAX = 100
REQUIRED = ["exp", "iss", "aud"]

UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError)
"""What a library raises about bytes that are no token."""


class Tokens:
    """Knows people by tokens, and by what the log has of their bearers."""

    def __init__(self, settings: TokenSettings, crowd: Crowd, steady: Callable[[], float]) -> None:
        self._settings = settings
        self._crowd = crowd
        read = at_url(settings.jwks) if settings.is_url else in_file(settings.jwks)
        self._keys = None if settings.secret else KeySet(settings.jwks, read, steady)

    async def recognise(self, visitor: Visitor) -> Principal | None:
        token = visitor.token
        if token.count(".") != DOTS or len(token) > BYTES_MAX or not token.isascii():
            return None
        key = await self._key_for(token)
        claims = None if key is None else self._claims(token, key)
        return None if claims is None else await self._principal(claims)

    async def _key_for(self, token: str) -> jwt.PyJWK | str | None:
        """The key that it must be signed by; None where it names an algorithm or a key that does not count."""
        try:
            header = jwt.get_unverified_header(token)
        except UNREADABLE:
            return None
        if header.get("alg") not in self._settings.algorithms or "crit" in header:
            return None
        if self._keys is None:
            return self._settings.secret
        kid = header.get("kid")
        return await self._keys.find(kid) if kid is None or isinstance(kid, str) else None

    def _claims(self, token: str, key: jwt.PyJWK | str) -> Mapping[str, Any] | None:
        settings = self._settings
        try:
            return cast("Mapping[str, Any]", jwt.decode(
                token, key, algorithms=list(settings.algorithms), audience=settings.audience, issuer=settings.issuer,
                leeway=settings.leeway, options={"require": REQUIRED, "enforce_minimum_key_length": True},
            ))  # fmt: skip
        except UNREADABLE:
            return None

    async def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        settings = self._settings
        user, tenant = claim(claims, settings.user_claim), settings.tenant or claim(claims, settings.tenant_claim)
        if not (isinstance(user, str) and isinstance(tenant, str) and NAME.fullmatch(user) and NAME.fullmatch(tenant)):
            return None
        said = claim(claims, settings.roles_claim)
        person = await self._crowd.person(tenant, user)
        if person.is_shut_out:
            return None
        roles = person.roles_of_a_token(roles_in(said))
        return Principal(tenant, user, person.permissions(roles), f"token of {settings.issuer}", roles)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its whole name, or else by the path that its dots are; None where it is not there."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if is_map(found) else None
    return found


def roles_in(said: Any) -> tuple[str, ...]:
    """Roles as tokens say them: a list of texts, or one text with blanks. What is neither is none."""
    names: list[Any] = said.split() if isinstance(said, str) else said if is_list(said) else []
    return tuple(dict.fromkeys(name for name in names[:ROLES_MAX] if isinstance(name, str) and name))
