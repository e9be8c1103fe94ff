"""Approvals over HTTP: who is named may decide that and nothing else, and an inbox shows what one may decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import ApprovalPolicy, Escalation, workflow
from tests.adapters.http.shop import FLOWS, RUNS, Caller, shop

pytestmark = pytest.mark.anyio

INBOX = "/api/v1/workflows/approvals"
POLICY = ApprovalPolicy(users=("ada",), roles=("viewer",), quorum=2, escalation=(Escalation(after=timedelta(hours=1), roles=("author",)),))


@workflow
async def pay(cents: int) -> list[Any]:
    decision = await perdure.approval("pay", show={"cents": cents}, timeout=timedelta(days=1), policy=POLICY)
    return [decision.outcome, [voice.by for voice in decision.voices]]


async def decide(who: Caller, run: str, asked: dict[str, Any], action: str = "approve") -> int:
    return (await who.post(f"{RUNS}/{run}/{action}", {"id": asked["id"], "digest": asked["digest"]})).status_code


async def test_who_is_named_decides_without_the_permission_to_steer() -> None:
    async with shop(flows=(*FLOWS, pay)) as service:
        ann, ada, vic = [await service.caller(role, user=user) for role, user in
                         (("starter", "ann"), ("starter", "ada"), ("viewer", "vic"))]  # fmt: skip
        eve, olga = await service.caller("starter", user="eve"), await service.caller("operator", user="olga")
        run = await ann.start("pay", [1200])
        (asked,) = (await ada.get(f"{INBOX}?mine=true")).json()["approvals"]
        early = [await decide(who, run, asked) for who in (ann, eve, olga)]
        first, again, steering = await decide(ada, run, asked), await decide(ada, run, asked), await ada.post(f"{RUNS}/{run}/cancel")
        second = await decide(vic, run, asked)
        end = (await ann.get(f"{RUNS}/{run}/result")).json()

        assert (asked["by"], asked["users"], asked["roles"], asked["quorum"]) == ("ann", ["ada"], ["viewer"], 2)
        assert early == [403, 403, 409]
        assert [first, again, steering.status_code, second] == [200, 409, 403, 200]
        assert end["result"] == ["approved", ["ada", "vic"]]


async def test_an_inbox_shows_each_what_they_may_decide_and_nothing_of_other_runs() -> None:
    async with shop(flows=(*FLOWS, pay)) as service:
        ann, ada, eve = [await service.caller("starter", user=user) for user in ("ann", "ada", "eve")]
        olga, vic = await service.caller("operator", user="olga"), await service.caller("viewer", user="vic")
        foreign = await service.caller("viewer", user="ada", tenant="other")
        named, anybodys = await ann.start("pay", [1200]), await ann.start("asks", [])
        shown = {
            name: [sorted(one["run"] for one in (await who.get(path)).json()["approvals"]) for path in (INBOX, f"{INBOX}?mine=true")]
            for name, who in {"ann": ann, "ada": ada, "eve": eve, "olga": olga, "vic": vic, "foreign": foreign}.items()
        }

        assert shown == {
            "ann": [sorted([named, anybodys]), []], "ada": [[named], [named]], "eve": [[], []],
            "olga": [sorted([named, anybodys]), [anybodys]], "vic": [sorted([named, anybodys]), [named]], "foreign": [[], []],
        }  # fmt: skip


async def test_who_is_named_in_one_approval_of_a_run_decides_no_other_of_it() -> None:
    @workflow
    async def both() -> list[str]:
        free, bound = await perdure.gather(perdure.approval("free"), perdure.approval("bound", policy=ApprovalPolicy(users=("ada",))))
        return [free.outcome, bound.by]

    async with shop(flows=(both,)) as service:
        ann, ada, olga = [await service.caller(role, user=user) for role, user in
                          (("starter", "ann"), ("starter", "ada"), ("operator", "olga"))]  # fmt: skip
        run = await ann.start("both", [])
        asked = {one["name"]: one for one in (await ann.get(f"{RUNS}/{run}")).json()["approvals"]}

        assert [await decide(ada, run, asked["free"]), await decide(ada, run, asked["bound"])] == [409, 200]
        assert [await decide(ada, run, asked["free"]), await decide(olga, run, asked["free"], "reject")] == [403, 200]


async def test_who_is_named_and_repeats_their_decision_gets_its_first_answer_also_when_nothing_is_asked_any_more() -> None:
    @workflow
    async def one_of(user: str) -> str:
        return (await perdure.approval("one", policy=ApprovalPolicy(users=(user,)))).by

    async with shop(flows=(one_of,)) as service:
        ann, ada = [await service.caller("starter", user=user) for user in ("ann", "ada")]
        run = await ann.start("one_of", ["ada"])
        (asked,) = (await ada.get(INBOX)).json()["approvals"]
        body, path = {"name": "one", "digest": asked["digest"]}, f"{RUNS}/{run}/approve"
        first, again = [await ada.post(path, body, idempotency_key="k-1") for _ in range(2)]
        other, stranger = await ada.post(path, body, idempotency_key="k-2"), await ann.post(path, body, idempotency_key="k-1")

        assert [first.status_code, again.status_code, other.status_code, stranger.status_code] == [200, 200, 403, 403]
        assert first.json() == again.json()
        assert set(first.json()) == {"reply", "run", "version", "status", "workflow"}


@pytest.mark.parametrize("field", ["roles", "named", "by"])
async def test_nobody_says_themselves_who_they_are(field: str) -> None:
    async with shop(flows=(*FLOWS, pay)) as service:
        olga = await service.caller("operator", "starter", user="olga")
        run = await olga.start("asks", [])
        (asked,) = (await olga.get(INBOX)).json()["approvals"]
        forged: dict[str, Any] = {"roles": ["viewer"], "named": False, "by": "ada"}
        told = await olga.post(f"{RUNS}/{run}/approve", {"name": "ship", "digest": asked["digest"], field: forged[field]})

        assert told.status_code == 422
        assert told.json()["where"] == f"$.{field}"
