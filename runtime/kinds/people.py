"""People: the kind of actor that knows the users of a tenant, one for each tenant: their roles, who is let in no more, and the roles that
the tenant made itself.

Whoever has no record here may what their key or token says; whoever has one may never more than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from ...actors.kind import Kind
from ...eventlog.codec import Event
from ...eventlog.errors import NotFound, Refused
from ...eventlog.records import Head
from ...eventlog.streams import stream_of
from ..permissions import ROLES, must_be_names, must_be_permissions, must_be_roles

NAME = ID = "people"

USERS_MAX = 10_000
OWN_ROLES_MAX = 100
ROLES_OF_ONE_MAX = 50
WHY_MAX = 200


class UserCreated(Event, frozen=True):
    """The user is known from now on, in these roles."""

    user: str
    roles: tuple[str, ...] = ()
    by: str = ""


class RolesGiven(Event, frozen=True):
    """The user has these roles, too."""

    user: str
    roles: tuple[str, ...]
    by: str = ""


class RolesTaken(Event, frozen=True):
    """The user has these roles no more."""

    user: str
    roles: tuple[str, ...]
    by: str = ""


class UserDisabled(Event, frozen=True):
    """The user is let in no more, by whatever key or token."""

    user: str
    by: str = ""
    why: str = ""


class UserEnabled(Event, frozen=True):
    """The user is let in again."""

    user: str
    by: str = ""


class RoleDefined(Event, frozen=True):
    """The tenant has a role of its own that allows this, whatever it allowed before."""

    role: str
    permissions: tuple[str, ...]
    by: str = ""


class RoleDropped(Event, frozen=True):
    """The role is no more, and nobody has it."""

    role: str
    by: str = ""


class CreateUser(Struct, frozen=True):
    """Let a user be known."""

    user: str
    roles: tuple[str, ...] = ()
    by: str = ""


class GiveRoles(Struct, frozen=True):
    """Give a user roles; those that they have change nothing."""

    user: str
    roles: tuple[str, ...]
    by: str = ""


class TakeRoles(Struct, frozen=True):
    """Take roles from a user; those that they do not have change nothing."""

    user: str
    roles: tuple[str, ...]
    by: str = ""


class DisableUser(Struct, frozen=True):
    """Let a user in no more."""

    user: str
    by: str = ""
    why: str = ""


class EnableUser(Struct, frozen=True):
    """Let a user in again."""

    user: str
    by: str = ""


class DefineRole(Struct, frozen=True):
    """Make a role, or change what it allows."""

    role: str
    permissions: tuple[str, ...]
    by: str = ""


class DropRole(Struct, frozen=True):
    """Let a role be no more."""

    role: str
    by: str = ""


class FindUser(Struct, frozen=True):
    """Ask for a user, known or not, and for the tenant's own roles."""

    user: str


class ListUsers(Struct, frozen=True):
    """Ask for at most `limit` users by name behind `after`, and for the tenant's own roles."""

    after: str = ""
    limit: int = 100


class User(Struct, frozen=True):
    """What is known of a user; times in microseconds since 1970, 0 for none."""

    user: str
    roles: tuple[str, ...]
    created: int
    disabled: int = 0
    why: str = ""
    """Why they are let in no more."""


class Known(Struct, frozen=True):
    """The users that were asked for, and the permissions of the tenant's own roles by name."""

    users: tuple[User, ...]
    roles: Mapping[str, tuple[str, ...]]


class State(Struct):
    """The users and the tenant's own roles, by name."""

    users: dict[str, User] = field(default_factory=dict[str, User])
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    since: int = 0
    at: int = 0


Wish: TypeAlias = CreateUser | GiveRoles | TakeRoles | DisableUser | EnableUser | DefineRole | DropRole | FindUser | ListUsers
Fact: TypeAlias = UserCreated | RolesGiven | RolesTaken | UserDisabled | UserEnabled | RoleDefined | RoleDropped


class People(Kind[State, Wish, Fact]):
    """A pure decider over the users of a tenant."""

    name = NAME

    def initial(self, stream: str) -> State:
        return State()

    def decide(self, state: State, command: Wish, now: int) -> Sequence[Fact]:
        match command:
            case CreateUser(user, roles, by):
                return _created(state, user, roles, by)
            case GiveRoles(user, roles, by):
                has = _user(state, user).roles
                new = tuple(role for role in must_be_roles(roles, state.roles) if role not in has)
                _must_be_few(user, (*has, *new))
                return (RolesGiven(user, new, by),) if new else ()
            case TakeRoles(user, roles, by):
                has = _user(state, user).roles
                gone = tuple(role for role in dict.fromkeys(roles) if role in has)
                return (RolesTaken(user, gone, by),) if gone else ()
            case DisableUser(user, by, why):
                return () if _user(state, user).disabled else (UserDisabled(user, by, why[:WHY_MAX]),)
            case EnableUser(user, by):
                return (UserEnabled(user, by),) if _user(state, user).disabled else ()
            case DefineRole(role, permissions, by):
                return _defined(state, role, must_be_permissions(permissions), by)
            case DropRole(role, by):
                _must_be_own(state, role)
                return (RoleDropped(role, by),)
            case FindUser() | ListUsers():
                return ()

    def evolve(self, state: State, event: Fact, at: int) -> State:
        state.since, state.at = state.since or at, at
        users = state.users
        match event:
            case UserCreated(user, roles):
                users[user] = User(user, roles, at)
            case RolesGiven(user, roles):
                users[user] = replace(users[user], roles=(*users[user].roles, *roles))
            case RolesTaken(user, roles):
                users[user] = _without(users[user], roles)
            case UserDisabled(user, _, why):
                users[user] = replace(users[user], disabled=at, why=why)
            case UserEnabled(user):
                users[user] = replace(users[user], disabled=0, why="")
            case RoleDefined(role, permissions):
                state.roles[role] = permissions
            case RoleDropped(role):
                del state.roles[role]
                state.users = {name: _without(known, (role,)) for name, known in users.items()}
        return state

    def answer(self, state: State, command: Wish) -> Known:
        found: Sequence[User] = ()
        match command:
            case ListUsers(after, limit):
                found = [state.users[name] for name in sorted(state.users) if name > after][:limit]
            case DefineRole() | DropRole():
                pass
            case _:
                found = [state.users[command.user]] if command.user in state.users else []
        return Known(tuple(found), dict(state.roles))

    def looks(self, command: Wish) -> bool:
        return isinstance(command, FindUser | ListUsers)

    def head(self, state: State, old: Head | None) -> Head | None:
        return old or (Head("kept", None, NAME, state.since, state.at) if state.since else None)


def stream_of_people(tenant: str) -> str:
    return stream_of(NAME, tenant, ID)


def _created(state: State, user: str, roles: Sequence[str], by: str) -> Sequence[Fact]:
    must_be_names(user=user)
    given, known = must_be_roles(roles, state.roles, some=False), state.users.get(user)
    if known is not None and set(known.roles) == set(given) and not known.disabled:
        return ()
    if known is not None:
        raise Refused("the user is known already", who=f"user {user!r}", where="user", expected="a name that nobody has",
                      found=f"one with the roles {', '.join(known.roles) or 'none'}{', disabled' if known.disabled else ''}",
                      instead="give them roles, take some, or let them in again")
    if len(state.users) >= USERS_MAX:
        raise Refused("the tenant has too many users", who=f"user {user!r}", expected=f"at most {USERS_MAX}", found="one more",
                      instead="let tokens say who they are: a user without a record may what their token says")
    _must_be_few(user, given)
    return (UserCreated(user, given, by),)


def _defined(state: State, role: str, permissions: tuple[str, ...], by: str) -> Sequence[Fact]:
    must_be_names(role=role)
    if role in ROLES:
        raise Refused("this role is the same for every tenant", who=f"role {role!r}", where="role", expected="a name of your own",
                      found=role, instead="choose another name")
    if state.roles.get(role) == permissions:
        return ()
    if role not in state.roles and len(state.roles) >= OWN_ROLES_MAX:
        raise Refused("the tenant has too many roles of its own", who=f"role {role!r}", expected=f"at most {OWN_ROLES_MAX}",
                      found="one more", instead="drop one that nobody needs")
    return (RoleDefined(role, permissions, by),)


def _user(state: State, user: str) -> User:
    found = state.users.get(user)
    if found is None:
        raise NotFound("there is no such user", who=f"user {user!r}", where="user", expected="a user of the tenant", found="nobody",
                       instead="list the users, or create this one")
    return found


def _must_be_own(state: State, role: str) -> None:
    if role not in state.roles:
        raise NotFound("the tenant has no such role of its own", who=f"role {role!r}", where="role", found=role,
                       expected=", ".join(sorted(state.roles)) or "none: it has made no roles", instead="list the roles")


def _must_be_few(user: str, roles: Sequence[str]) -> None:
    if len(roles) > ROLES_OF_ONE_MAX:
        raise Refused("nobody has so many roles", who=f"user {user!r}", where="roles", expected=f"at most {ROLES_OF_ONE_MAX}",
                      found=str(len(roles)), instead="define a role that allows it all")


def _without(user: User, roles: Sequence[str]) -> User:
    return replace(user, roles=tuple(role for role in user.roles if role not in roles))
