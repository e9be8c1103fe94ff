"""The principal: who asks, of which tenant, and what they may. Whoever does not prove it is nobody, and is told nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ....eventlog.errors import Refused


class Unauthenticated(Refused):
    """Nobody knows who asks. Always the same, whatever was wrong: a key that is unknown, revoked, expired or malformed, or none."""

    code, http_status = "unauthenticated", 401

    @classmethod
    def at_all(cls) -> Unauthenticated:
        return cls("it is not known who asks", who="the request", where="headers",
                   expected="X-API-KEY: KEY, or Authorization: Bearer TOKEN, once",
                   found="none that is good",
                   instead="send a key as 'perdure keys create' shows it, or a token that is signed for this service")


class Denied(Refused):
    """Who asks is known, and may not."""

    code, http_status = "denied", 403


class Principal(Struct, frozen=True):
    """Somebody who was recognised; `way` says by what: a key, a token, or single-user mode."""

    tenant: str
    user: str
    permissions: frozenset[str]
    way: str
    roles: tuple[str, ...] = ()


class Visitor(Struct, frozen=True):
    """What a request shows of who sends it. `credentials` are as they came; empty where there is none."""

    key: str = ""
    token: str = ""
    host: str = ""
    """As the header Host has it."""
    origin: str = ""
    site: str = ""
    """As a browser says in Sec-Fetch-Site how the page that asks is related to the service; empty where none did."""
    scheme: str = "http"
    """By which the request came."""
    address: str = ""
    """Of the other end of the connection; empty where that is not known."""


class Gate(Protocol):
    """Recognises visitors."""

    async def recognise(self, visitor: Visitor) -> Principal | None:
        """Who it is; None where this gate does not know, or what was shown is not for it."""
        ...


class Gates:
    """Several ways in; whoever none of them recognises stays outside."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._gates = gates

    async def admit(self, visitor: Visitor) -> Principal:
        """Who it is; else Unauthenticated."""
        for gate in self._gates:
            if (principal := await gate.recognise(visitor)) is not None:
                return principal
        raise Unauthenticated.at_all()


def denied(principal: Principal, permission: str) -> Denied:
    return Denied("this is not allowed to who asks", who=f"user {principal.user!r}", where="permissions", expected=permission,
                  found=", ".join(sorted(principal.permissions)) or "none",
                  instead="ask who hands out keys for a role that has this permission")
