"""The kind that knows users and roles: a pure decider; who has which, who is let in, and what a tenant's own roles allow."""

from __future__ import annotations

from typing import Any

import pytest

from perdure import Invalid, NotFound, Refused
from perdure.runtime.kinds import people
from perdure.runtime.kinds.people import (
    CreateUser,
    DefineRole,
    DisableUser,
    DropRole,
    EnableUser,
    FindUser,
    GiveRoles,
    ListUsers,
    People,
    RoleDefined,
    RoleDropped,
    RolesGiven,
    RolesTaken,
    TakeRoles,
    UserCreated,
    UserDisabled,
    UserEnabled,
)
from perdure.testing import given

READ, CONTROL = "workflows.runs.read", "workflows.runs.control"
ANN = UserCreated("ann", ("viewer",), "olga")
CLERK = RoleDefined("clerk", (READ,))


def test_a_user_is_created_once_with_roles_that_exist() -> None:
    given(People()).when(CreateUser("ann", ("viewer",), "olga")).then([ANN])
    given(People(), [ANN]).when(CreateUser("ann", ("viewer",))).then_nothing()
    given(People(), [ANN]).when(CreateUser("ann", ("admin",))).then_refused("known already")
    given(People(), [ANN, UserDisabled("ann")], now=1).when(CreateUser("ann", ("viewer",))).then_refused("known already")
    given(People()).when(CreateUser("ann", ("clerk",))).then_refused("no such roles", error=Invalid)
    given(People(), [CLERK]).when(CreateUser("ann", ("clerk",))).then([UserCreated("ann", ("clerk",))])


def test_roles_are_given_and_taken_once() -> None:
    given(People(), [ANN]).when(GiveRoles("ann", ("viewer", "operator"), "olga")).then([RolesGiven("ann", ("operator",), "olga")])
    given(People(), [ANN]).when(GiveRoles("ann", ("viewer",))).then_nothing()
    given(People(), [ANN]).when(TakeRoles("ann", ("viewer", "operator"))).then([RolesTaken("ann", ("viewer",))])
    given(People(), [ANN]).when(TakeRoles("ann", ("operator",))).then_nothing()
    state = given(People(), [ANN, RolesGiven("ann", ("operator",)), RolesTaken("ann", ("viewer",))]).state()
    found = People().answer(state, FindUser("ann"))

    assert [user.roles for user in found.users] == [("operator",)]


def test_a_disabled_user_is_let_in_again_only_when_somebody_says_so() -> None:
    disabled = UserDisabled("ann", "olga", "left")
    given(People(), [ANN]).when(DisableUser("ann", "olga", "left")).then([disabled])
    given(People(), [ANN, disabled], now=1).when(DisableUser("ann")).then_nothing()
    given(People(), [ANN, disabled], now=1).when(EnableUser("ann")).then([UserEnabled("ann")])
    given(People(), [ANN]).when(EnableUser("ann")).then_nothing()
    state = given(People(), [ANN, disabled], now=7).state()

    assert [(user.disabled, user.why) for user in People().answer(state, FindUser("ann")).users] == [(7, "left")]


@pytest.mark.parametrize("wish", [GiveRoles("eve", ("viewer",)), TakeRoles("eve", ("viewer",)), DisableUser("eve"), EnableUser("eve")])
def test_of_nobody_nothing_is_changed(wish: Any) -> None:
    given(People(), [ANN]).when(wish).then_refused("no such user", error=NotFound)


def test_a_role_of_ones_own_is_made_of_permissions_and_never_one_of_everybodys() -> None:
    given(People()).when(DefineRole("clerk", (READ, READ))).then([CLERK])
    given(People(), [CLERK]).when(DefineRole("clerk", (READ,))).then_nothing()
    given(People(), [CLERK]).when(DefineRole("clerk", (CONTROL,))).then([RoleDefined("clerk", (CONTROL,))])
    given(People()).when(DefineRole("admin", (READ,))).then_refused("the same for every tenant")
    given(People()).when(DefineRole("clerk", ("workflows.everything",))).then_refused("permissions that exist", error=Invalid)
    given(People()).when(DropRole("clerk")).then_refused("no such role", error=NotFound)
    given(People()).when(DropRole("admin")).then_refused("no such role", error=NotFound)


def test_nobody_has_a_role_that_was_dropped_also_when_it_is_made_again() -> None:
    state = given(People(), [CLERK, UserCreated("ann", ("clerk", "viewer")), RoleDropped("clerk"), CLERK]).state()

    assert [user.roles for user in People().answer(state, ListUsers()).users] == [("viewer",)]


def test_users_come_by_name_a_page_at_a_time() -> None:
    state = given(People(), [UserCreated(name) for name in ("cid", "ann", "ben")]).state()

    assert [user.user for user in People().answer(state, ListUsers(limit=2)).users] == ["ann", "ben"]
    assert [user.user for user in People().answer(state, ListUsers(after="ben")).users] == ["cid"]


def test_there_are_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "USERS_MAX", 1)
    monkeypatch.setattr(people, "OWN_ROLES_MAX", 1)
    monkeypatch.setattr(people, "ROLES_OF_ONE_MAX", 1)
    state = given(People(), [ANN, CLERK]).state()

    for wish in (CreateUser("ben"), DefineRole("king", (READ,)), GiveRoles("ann", ("operator",))):
        with pytest.raises(Refused):
            People().decide(state, wish, 0)


@pytest.mark.parametrize("name", ["", " ann", "a\nb", "x" * 101])
def test_what_is_no_name_is_refused(name: str) -> None:
    for wish in (CreateUser(name), DefineRole(name, (READ,))):
        with pytest.raises(Invalid, match="no name"):
            People().decide(given(People()).state(), wish, 0)
