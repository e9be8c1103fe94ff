"""Settings that tenants may have of their own, from environment variables that end in a tenant's name.

`…_TEAM1` is for the tenant `team1`, `…_TEAM_1` for `team_1`; a tenant of any other spelling is named by a variable that ends in
exactly its name, such as `…_team-1`. So two tenants never share what was meant for one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from msgspec import Struct

from ...eventlog.errors import Invalid

T = TypeVar("T")

FOLDED = re.compile(r"[A-Z0-9_]+")


class PerTenant(Struct, Generic[T], frozen=True):
    """What is set for all, None where nothing is, and what tenants have of their own."""

    variable: str
    all: T | None
    own: Mapping[str, T]

    @classmethod
    def of(cls, variable: str, environment: Mapping[str, str], read: Callable[[str, str], T]) -> PerTenant[T]:
        """What the environment holds of a variable; `read` gets a text and the name of its variable."""
        own: dict[str, T] = {}
        for name, text in sorted(environment.items()):
            suffix = name.removeprefix(f"{variable}_")
            if suffix != name and suffix:
                own[suffix.lower() if FOLDED.fullmatch(suffix) else suffix] = read(text, name)
        return cls(variable, read(environment[variable], variable) if variable in environment else None, own)

    def must_tell_apart(self, tenant: str) -> None:
        """Invalid where the tenant's name is written like that of another that has something of its own: nobody knows who was meant."""
        if tenant in self.own:
            return
        other = next((name for name in self.own if folded(name) == folded(tenant)), None)
        if other is not None:
            raise Invalid("two tenants have names that environment variables cannot tell apart", who=f"tenant {tenant!r}",
                          where=f"{self.variable}_{folded(tenant)}", expected=f"only the tenant {other!r}", found=repr(tenant),
                          instead=f"set {self.variable}_{tenant}, which is this tenant's alone")


def folded(tenant: str) -> str:
    """How a tenant's name is written at the end of a variable."""
    return re.sub(r"[^A-Z0-9]", "_", tenant.upper())
