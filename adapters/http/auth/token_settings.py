"""Settings of tokens: by whom they must be signed, for whom, and what their claims are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ....eventlog.errors import Invalid
from .single import is_loopback

SHARED: Mapping[str, int] = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms with one secret for who signs and who checks, and the bytes that it must have."""

PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key."""

LEEWAY_MAX = 300.0
PREFIX = "PERDURE_JWT_"


class TokenSettings(Struct, frozen=True, kw_only=True):
    """What a token must be like. Either a `secret` or a set of public keys (`jwks`), never both: so neither is taken for the other."""

    secret: str = ""
    """Of who signs (`PERDURE_JWT_SECRET`)."""
    jwks: str = ""
    """Where the public keys are (`PERDURE_JWT_JWKS`): https://…, http:// on this machine, or a file."""
    algorithms: tuple[str, ...]
    """Those that count (`PERDURE_JWT_ALGORITHMS`)."""
    issuer: str
    """Who must have signed it, claim `iss` (`PERDURE_JWT_ISSUER`)."""
    audience: str
    """For whom, claim `aud` (`PERDURE_JWT_AUDIENCE`)."""
    leeway: float = 30.0
    """Seconds that clocks may differ by (`PERDURE_JWT_LEEWAY`)."""
    user_claim: str = "sub"
    tenant_claim: str = "tenant"
    roles_claim: str = "roles"
    """What the claims are called (`PERDURE_JWT_USER_CLAIM`, `…_TENANT_CLAIM`, `…_ROLES_CLAIM`); dots go into objects."""
    tenant: str = ""
    """The tenant of all tokens (`PERDURE_JWT_TENANT`), whatever they say; where it is not set, the claim must be there."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> TokenSettings | None:
        """As the environment says; None where it names neither a secret nor keys. Invalid where it would let in too many, or nobody."""
        said = {name.removeprefix(PREFIX).lower(): text for name, text in environment.items() if name.startswith(PREFIX) and text}
        if not said:
            return None
        unknown = sorted(said.keys() - set(cls.__struct_fields__))
        if unknown:
            raise _wrong(unknown[0], ", ".join(PREFIX + name.upper() for name in cls.__struct_fields__), "an unknown name")
        secret, jwks = said.get("secret", ""), said.get("jwks", "")
        if bool(secret) == bool(jwks):
            raise _wrong("secret", f"this, or {PREFIX}JWKS, and not both", "both" if secret else "neither")
        for name in ("issuer", "audience"):
            if name not in said:
                raise _wrong(name, "what the claim of every token must be", "nothing")
        if jwks:
            _must_be_a_place(jwks)
        given = {**said, "algorithms": _algorithms(said.get("algorithms", ""), secret), "leeway": _leeway(said.get("leeway", ""))}
        return msgspec.convert(given, cls)

    @property
    def is_url(self) -> bool:
        return "://" in self.jwks


def _algorithms(text: str, secret: str) -> tuple[str, ...]:
    known = tuple(SHARED) if secret else PUBLIC
    named = tuple(name.strip() for name in text.split(",") if name.strip()) or (("HS256",) if secret else ("RS256", "ES256", "EdDSA"))
    unfit = [name for name in named if name not in known]
    if unfit:
        raise _wrong("algorithms", f"some of {', '.join(known)}: {'a secret' if secret else 'public keys'} is what there is", unfit[0])
    least = max((SHARED[name] for name in named), default=0) if secret else 0
    if secret and len(secret.encode()) < least:
        raise _wrong("secret", f"{least} bytes at least, drawn by chance", f"{len(secret.encode())} bytes")
    return named


def _leeway(text: str) -> float:
    try:
        seconds = float(text or 30.0)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= LEEWAY_MAX:
        raise _wrong("leeway", f"0 to {LEEWAY_MAX:g} seconds", repr(text))
    return seconds


def _must_be_a_place(jwks: str) -> None:
    if "://" not in jwks:
        if not Path(jwks).is_file():
            raise _wrong("jwks", "a file that exists, or a URL", repr(jwks))
        return
    url = urlsplit(jwks)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise _wrong("jwks", "https://…, or http:// on this machine: who changes the keys on their way signs what they like", url.scheme)


def _wrong(name: str, expected: str, found: str) -> Invalid:
    return Invalid("tokens cannot be known by these settings", who=PREFIX + name.upper(), where="environment", expected=expected,
                   found=found, instead=f"correct it, or unset all of {PREFIX}* to know people by their keys alone")
