"""Permissions by their names, and the roles that are bundles of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..eventlog.errors import Invalid

READ = "workflows.runs.read"
CONTROL = "workflows.runs.control"
WRITE = "workflows.runs.write"
DEFINITIONS_READ = "workflows.definitions.read"
DEFINITIONS_WRITE = "workflows.definitions.write"
ADMIN = "workflows.admin"

ALL = frozenset({READ, CONTROL, WRITE, DEFINITIONS_READ, DEFINITIONS_WRITE, ADMIN})

NAME = re.compile(r"[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,99}")
"""What a tenant, a user and a role may be called."""

ROLES: Mapping[str, frozenset[str]] = {
    "starter": frozenset({WRITE, DEFINITIONS_READ}),
    "viewer": frozenset({READ, DEFINITIONS_READ}),
    "operator": frozenset({READ, CONTROL, DEFINITIONS_READ}),
    "author": frozenset({WRITE, DEFINITIONS_READ, DEFINITIONS_WRITE}),
    "admin": ALL,
}
"""What each role may. A starter and an author see the runs that they started; who has `workflows.runs.read` sees all of the tenant."""


def permissions_of(roles: Iterable[str], own: Mapping[str, frozenset[str]] = ROLES) -> frozenset[str]:
    """What somebody in these roles may, a tenant's `own` roles among them; a role that is unknown gives nothing."""
    known = {**own, **ROLES}
    return frozenset[str]().union(*(known.get(role, frozenset[str]()) for role in roles))


def must_be_roles(roles: Iterable[str], own: Iterable[str] = (), *, some: bool = True) -> tuple[str, ...]:
    """The roles, each once; Invalid where one is unknown, or, with `some`, where there are none."""
    found, known = tuple(dict.fromkeys(roles)), tuple(dict.fromkeys((*ROLES, *own)))
    unknown = [role for role in found if role not in known]
    if unknown or (some and not found):
        raise Invalid("there are no such roles", who="roles", where="$.roles", expected=f"one or more of {', '.join(known)}",
                      found=", ".join(unknown) or "none", instead="name what the user is to do, for example operator")
    return found


def must_be_permissions(permissions: Iterable[str]) -> tuple[str, ...]:
    """The permissions, each once and in order; Invalid where there are none, or one that is unknown."""
    found = tuple(sorted(set(permissions)))
    unknown = [name for name in found if name not in ALL]
    if unknown or not found:
        raise Invalid("a role needs permissions that exist", who="permissions", where="$.permissions", found=", ".join(unknown) or "none",
                      expected=f"one or more of {', '.join(sorted(ALL))}", instead="name what it is to allow")
    return found


def must_be_names(**names: str) -> None:
    """Invalid where one of them is no name for what it is."""
    for what, name in names.items():
        if not NAME.fullmatch(name):
            raise Invalid(f"that is no name of a {what}", who=what, where=f"$.{what}", found=repr(name[:120]),
                          expected="1 to 100 characters, none of them a control character, no blank in front", instead=f"name the {what}")
