"""Users and roles over HTTP: a record bounds what keys may, a disabled user stays outside, and a tenant makes roles of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.http.shop import RUNS, Caller, Shop, shop

pytestmark = pytest.mark.anyio

USERS, ROLES, KEYS, WHO = "/api/v1/users", "/api/v1/roles", "/api/v1/keys", "/api/v1/whoami"


async def posted(who: Caller, path: str, body: Any = None) -> int:
    return (await who.post(path, body)).status_code


async def key_for(admin: Caller, service: Shop, user: str, *roles: str) -> Caller:
    made = await admin.post(KEYS, {"user": user, "roles": list(roles)})
    assert made.status_code == 201, made.text
    return service.nobody(x_api_key=made.json()["key"])


async def may(who: Caller) -> list[str]:
    found: list[str] = (await who.get(WHO)).json()["permissions"]
    return [name.removeprefix("workflows.") for name in found]


async def test_a_disabled_user_is_let_in_by_no_key_until_they_are_enabled() -> None:
    async with shop() as service:
        admin = await service.caller("admin", user="olga")
        created = await posted(admin, USERS, {"user": "ben", "roles": ["viewer"]})
        keys = [await key_for(admin, service, "ben"), await key_for(admin, service, "ben", "viewer")]
        before = [(await one.get(RUNS)).status_code for one in keys]
        disabled = await posted(admin, f"{USERS}/ben/disable", {"why": "left"})
        told = [await one.get(RUNS) for one in keys]
        nobody = await service.nobody().get(RUNS)
        refused = await admin.post(KEYS, {"user": "ben"})
        enabled = await posted(admin, f"{USERS}/ben/enable")
        after = [(await one.get(RUNS)).status_code for one in keys]

        assert (created, disabled, enabled, before, after) == (201, 200, 200, [200, 200], [200, 200])
        assert {(one.status_code, one.content) for one in told} == {(401, nobody.content)}
        assert refused.status_code == 409


async def test_no_key_may_more_than_its_user_by_now() -> None:
    async with shop() as service:
        admin, early = await service.caller("admin", user="olga"), await service.caller("operator", "starter", user="ben")
        unrecorded = await may(early)
        await admin.post(USERS, {"user": "ben", "roles": ["viewer", "starter"]})
        whole, part = await key_for(admin, service, "ben"), await key_for(admin, service, "ben", "viewer")
        recorded = [await may(one) for one in (early, whole, part)]
        await admin.post(f"{USERS}/ben/give", {"roles": ["operator"]})
        await admin.post(f"{USERS}/ben/take", {"roles": ["starter", "viewer"]})
        changed = [await may(one) for one in (early, whole, part)]
        over = await admin.post(KEYS, {"user": "ben", "roles": ["admin"]})

        show, read, write, control = "definitions.read", "runs.read", "runs.write", "runs.control"
        assert unrecorded == [show, control, read, write]
        assert recorded == [[show, write], [show, read, write], [show, read]]
        assert changed == [[show, control, read], [show, control, read], []]
        assert (over.status_code, over.json()["found"]) == (409, "admin")


async def test_a_tenant_makes_roles_of_its_own_and_no_other_tenant_has_them() -> None:
    async with shop() as service:
        admin, other = await service.caller("admin", user="olga"), await service.caller("admin", tenant="other")
        defined = await admin.post(f"{ROLES}/watcher", {"permissions": ["workflows.runs.read"]})
        watcher = await key_for(admin, service, "wim", "watcher")
        seen, control = await may(watcher), await posted(watcher, f"{RUNS}/x/pause")
        await admin.post(f"{ROLES}/watcher", {"permissions": ["workflows.runs.write"]})
        changed = await may(watcher)
        foreign, listed = await other.post(KEYS, {"user": "wim", "roles": ["watcher"]}), (await other.get(ROLES)).json()["roles"]
        await admin.post(f"{ROLES}/watcher", {"permissions": []})

        assert [line for line in defined.json()["roles"] if line.get("own")] == [
            {"role": "watcher", "permissions": ["workflows.runs.read"], "own": True}
        ]
        assert (seen, control, changed, await may(watcher)) == (["runs.read"], 403, ["runs.write"], [])
        assert foreign.status_code == 422
        assert "watcher" not in {line["role"] for line in listed}


async def test_a_list_of_keys_says_when_each_was_last_used() -> None:
    async with shop() as service:
        admin, ann = await service.caller("admin", user="olga"), await service.caller("starter")
        before = {key["user"]: "used" in key for key in (await admin.get(KEYS)).json()["keys"]}
        for _ in range(3):
            await ann.get(RUNS)
        after = {key["user"]: "used" in key for key in (await admin.get(KEYS)).json()["keys"]}
        stream = service.runtime.carrier.log.read("access/perdure/keys")
        written = [record async for record in stream]

        assert (before, after) == ({"olga": True, "ann": False}, {"olga": True, "ann": True})
        assert sum(record.data.count(b'"KeyUsed"') for record in written) == 2


async def test_users_are_those_of_the_tenant() -> None:
    async with shop() as service:
        admin, other = await service.caller("admin", user="olga"), await service.caller("admin", tenant="other")
        await admin.post(USERS, {"user": "ben", "roles": ["viewer"]})
        mine, theirs = [(await who.get(USERS)).json()["users"] for who in (admin, other)]
        foreign = await other.post(f"{USERS}/ben/disable")

        assert ([user["user"] for user in mine], theirs, foreign.status_code) == (["ben"], [], 404)
