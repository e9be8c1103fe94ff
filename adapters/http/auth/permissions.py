"""Permissions by their names, and the roles that are bundles of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ....eventlog.errors import Invalid

READ = "workflows.runs.read"
CONTROL = "workflows.runs.control"
WRITE = "workflows.runs.write"
DEFINITIONS_READ = "workflows.definitions.read"
DEFINITIONS_WRITE = "workflows.definitions.write"
ADMIN = "workflows.admin"

ALL = frozenset({READ, CONTROL, WRITE, DEFINITIONS_READ, DEFINITIONS_WRITE, ADMIN})

ROLES: Mapping[str, frozenset[str]] = {
    "starter": frozenset({WRITE, DEFINITIONS_READ}),
    "viewer": frozenset({READ, DEFINITIONS_READ}),
    "operator": frozenset({READ, CONTROL, DEFINITIONS_READ}),
    "author": frozenset({WRITE, DEFINITIONS_READ, DEFINITIONS_WRITE}),
    "admin": ALL,
}
"""What each role may. A starter and an author see the runs that they started; who has `workflows.runs.read` sees all of the tenant."""


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """What somebody in these roles may; a role that is unknown gives nothing."""
    return frozenset[str]().union(*(ROLES.get(role, frozenset[str]()) for role in roles))


def must_be_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """The roles, each once; Invalid where there are none, or one that is unknown."""
    found = tuple(dict.fromkeys(roles))
    unknown = [role for role in found if role not in ROLES]
    if unknown or not found:
        raise Invalid("a key needs roles that exist", who="roles", where="$.roles", expected=f"one or more of {', '.join(ROLES)}",
                      found=", ".join(unknown) or "none", instead="name what its user is to do, for example operator")
    return found
