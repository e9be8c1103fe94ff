"""Idempotency-Keys: under one name a request counts once, whatever happened since; where that cannot be, the header is refused."""

from __future__ import annotations

import pytest

from perdure.adapters.http.app import operations
from perdure.adapters.http.metrics import Metrics
from perdure.adapters.http.openapi import page_of
from tests.adapters.http.shop import Caller, Shop, shop
from tests.adapters.http.test_definitions import ADD, KEPT, author, sent

pytestmark = pytest.mark.anyio

KEYS = "/api/v1/keys"
OTHER = ADD.replace("+ 1", "+ 2")


async def admin(service: Shop) -> Caller:
    return await service.caller("admin", user="olga")


async def test_a_key_is_made_once_under_a_name_and_shown_again() -> None:
    body = {"user": "ben", "roles": ["viewer"]}
    async with shop() as service:
        olga, otto = await admin(service), await service.caller("admin", user="otto")
        first, again = [(await olga.post(KEYS, body, idempotency_key="k-1")).json() for _ in range(2)]
        other = (await olga.post(KEYS, body, idempotency_key="k-2")).json()
        of_otto = (await otto.post(KEYS, body, idempotency_key="k-1")).json()
        changed = await olga.post(KEYS, {**body, "roles": ["admin"]}, idempotency_key="k-1")
        let_in = [(await service.nobody(x_api_key=one["key"]).get("/api/v1/whoami")).json()["user"] for one in (first, other, of_otto)]

    assert again == first
    assert len({first["key"], other["key"], of_otto["key"]}) == 3
    assert let_in == ["ben"] * 3
    assert (changed.status_code, "Idempotency-Key" in changed.json()["instead"]) == (409, True)


async def test_a_name_does_not_let_a_revoked_key_in_again() -> None:
    async with shop() as service:
        olga = await admin(service)
        made = (await olga.post(KEYS, {"user": "ben", "roles": ["viewer"]}, idempotency_key="k-1")).json()
        await olga.post(f"{KEYS}/{made['about']['id']}/revoke", {}, idempotency_key="k-2")
        again = await olga.post(KEYS, {"user": "ben", "roles": ["viewer"]}, idempotency_key="k-1")
        let_in = await service.nobody(x_api_key=made["key"]).get("/api/v1/whoami")

    assert (again.status_code, again.json()["about"]["good"], let_in.status_code) == (201, False, 401)


async def test_a_key_is_rotated_once_under_a_name_though_its_successor_is_dead_by_now() -> None:
    async with shop() as service:
        olga = await admin(service)
        old = (await service.ring.create("acme", "ben", ["viewer"])).about.id
        first, again = [(await olga.post(f"{KEYS}/{old}/rotate", {}, idempotency_key="r-1")).json() for _ in range(2)]
        other = await olga.post(f"{KEYS}/{old}/rotate", {}, idempotency_key="r-2")
        await olga.post(f"{KEYS}/{first['about']['id']}/revoke", {})
        dead = await olga.post(f"{KEYS}/{old}/rotate", {}, idempotency_key="r-1")

    assert (again, other.status_code) == (first, 409)
    assert (dead.status_code, dead.json()["about"]["good"]) == (201, False)


async def test_a_definition_is_kept_once_under_a_name_whatever_was_kept_since() -> None:
    async with shop() as service:
        ada = await author(service)
        made = await sent(ada, "PUT", f"{KEPT}/add", ADD, idempotency_key="k-1")
        await sent(ada, "PUT", f"{KEPT}/add", OTHER, idempotency_key="k-2")
        again = await sent(ada, "PUT", f"{KEPT}/add", ADD, idempotency_key="k-1")
        misused = await sent(ada, "PUT", f"{KEPT}/add", OTHER, idempotency_key="k-1")
        newest = (await ada.get(f"{KEPT}/add")).json()

    assert (again.status_code, again.json()["version"], again.headers["etag"]) == (200, 1, made.headers["etag"])
    assert (misused.status_code, misused.json()["where"]) == (409, "command, or Idempotency-Key")
    assert newest["version"] == 2


async def test_what_changed_nothing_counts_as_done_under_its_name_too() -> None:
    async with shop() as service:
        ada = await author(service)
        await sent(ada, "POST", KEPT, ADD)
        same = await sent(ada, "PUT", f"{KEPT}/add", ADD, idempotency_key="k-1")
        await sent(ada, "PUT", f"{KEPT}/add", OTHER)
        again = await sent(ada, "PUT", f"{KEPT}/add", ADD, idempotency_key="k-1")
        newest = (await ada.get(f"{KEPT}/add")).json()

    assert [same.json()["version"], again.json()["version"], newest["version"]] == [1, 1, 2]


async def test_a_definition_is_archived_once_under_a_name() -> None:
    async with shop() as service:
        ada = await author(service)
        await sent(ada, "POST", KEPT, ADD)
        gone = await sent(ada, "DELETE", f"{KEPT}/add", "", idempotency_key="d-1")
        await sent(ada, "PUT", f"{KEPT}/add", ADD)
        again = await sent(ada, "DELETE", f"{KEPT}/add", "", idempotency_key="d-1")

    assert (gone.json()["archived"], again.status_code, again.json()["archived"]) == (True, 200, False)


async def test_a_repeat_on_top_of_what_was_seen_hears_the_first_answer_and_another_name_that_it_is_stale() -> None:
    async with shop() as service:
        ada = await author(service)
        tag = (await sent(ada, "POST", KEPT, ADD)).headers["etag"]
        first, again = [await sent(ada, "PUT", f"{KEPT}/add", OTHER, if_match=tag, idempotency_key="k-1") for _ in range(2)]
        late = await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 3"), if_match=tag, idempotency_key="k-2")

    assert [first.status_code, again.status_code, again.json()] == [200, 200, first.json()]
    assert (late.status_code, late.json()["code"]) == (412, "stale")


UNNAMED = {
    "users.create", "users.give", "users.take", "users.disable", "users.enable", "roles.define", "documents.ingest", "documents.remove",
    "webhooks.redrive", "webhooks.drop",
}  # fmt: skip


async def test_what_would_count_twice_takes_no_name_and_says_so_on_its_page() -> None:
    known = {operation.name: operation for operation in operations(Metrics()) if operation.writes}
    page = {row["operationId"]: row for methods in page_of(list(known.values()))["paths"].values() for row in methods.values()}
    async with shop() as service:
        olga = await admin(service)
        told = {
            name: await service.client.request(one.method, one.path, headers=olga.headers | {"idempotency-key": "k-1"})
            for name, one in known.items()
        }

    refused = {name for name, one in told.items() if one.status_code == 422 and one.json()["where"] == "header idempotency-key"}
    assert refused == UNNAMED
    assert all(known[name].unnamed in told[name].json()["instead"] for name in UNNAMED)
    for name, row in page.items():
        named = "Idempotency-Key" in {one["name"] for one in row["parameters"]}
        assert (named, "Idempotency-Key" in row["responses"]["503"]["description"]) == ((name not in UNNAMED),) * 2
