"""Seed 004, the workflows module: the items of its checklist, against `perdure serve` on SQLite and on NATS. Webhooks are beside this."""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha256
from itertools import pairwise
from typing import Any

import httpx
import pytest

import perdure
from perdure.adapters.http.app import asgi
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.shop import hello
from tests.conftest import LOOPS
from tests.seeds.served import ROOT, RUNS, Served, curl, log_step, tell

ADD: dict[str, Any] = {"name": "add", "inputs": {"n": {"type": "integer"}},
       "steps": [{"id": "sum", "type": "transform", "config": {"value": "${ inputs.n + 1 }"}}]}  # fmt: skip
STEERING = ("pause", "resume", "cancel", "retry")

TYPES = 'curl -H "X-API-KEY: $API_KEY" http://127.0.0.1:8000/api/v1/workflows/step-types'
EVENTS = 'curl -H "X-API-KEY: $API_KEY" "http://127.0.0.1:8000/api/v1/workflows/runs/$RUN_ID/events?limit=200"'
"""As the seed has them."""


def test_item_01_definitions_are_created_read_updated_and_deleted(served: Served) -> None:
    ada = served.caller("author")
    made = ada.post(f"{ROOT}/definitions", ADD)
    renewed = ada.client.put(f"{ROOT}/definitions/add", json=ADD | {"description": "adds"}, headers={"If-Match": made.headers["etag"]})
    shown, listed = ada.get(f"{ROOT}/definitions/add").json(), ada.get(f"{ROOT}/definitions").json()
    deleted = ada.client.delete(f"{ROOT}/definitions/add")
    after = ada.get(f"{ROOT}/definitions").json()

    assert [made.status_code, renewed.status_code, deleted.status_code] == [201, 200, 200]
    assert (shown["version"], shown["definition"]["description"]) == (2, "adds")
    assert "add" in {line["name"] for line in listed["definitions"]}
    assert deleted.json()["archived"]
    assert "add" not in {line["name"] for line in after["definitions"]}


def test_item_02_runs_of_saved_definitions_and_of_adhoc_ones_begin(served: Served) -> None:
    ada = served.caller("author")
    ada.client.put(f"{ROOT}/definitions/plus", json=ADD | {"name": "plus"})
    saved = ada.post(f"{ROOT}/definitions/plus/run", {"inputs": {"n": 1}})
    adhoc = ada.run(*ADD["steps"], inputs={"n": 2})

    assert saved.status_code == 201
    assert [ada.end(run)["result"] for run in (saved.json()["run"], adhoc)] == [2, 3]


def test_item_03_events_of_a_run_are_told(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run(log_step())
    ada.end(run)

    names = [line["event"]["type"] for line in ada.events(run)]
    assert (names[0], names[-1]) == ("RunStarted", "RunCompleted")


def test_item_04_artifacts_of_a_run_are_listed_and_read(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run({"id": "keep", "type": "python", "config": {"step": "keep", "arguments": {"text": "0123456789"}}})
    ada.end(run)
    [line] = ada.get(f"{RUNS}/{run}/artifacts").json()["artifacts"]

    assert (line["name"], line["size"], line["media"]) == ("notes/report.txt", 1000, "text/plain")
    assert sha256(ada.get(f"{RUNS}/{run}/artifacts/notes%2Freport.txt").content).hexdigest() == line["digest"]


def test_item_05_runs_are_paused_resumed_cancelled_and_retried(served: Served) -> None:
    olga = served.caller("starter", "operator", user="olga")
    run, place = olga.start("order", 7), served.room / "money"
    failed = olga.start("pays", str(place))
    told = [olga.post(f"{RUNS}/{run}/{action}").json()["status"] for action in ("pause", "resume", "cancel")]
    before = olga.end(failed)["status"]
    place.touch()
    olga.post(f"{RUNS}/{failed}/retry")

    assert told[:2] == ["paused", "running"]
    assert [olga.end(run)["status"], before, olga.end(failed)["result"]] == ["cancelled", "failed", "charged"]
    place.unlink()


def test_item_06_the_engine_performs_prompt_rag_search_webhook_delay_and_log(served: Served) -> None:
    ada = served.caller("author")
    types = {line["name"] for line in ada.get(f"{ROOT}/step-types").json()["types"]}
    run = ada.run(
        {"id": "look", "type": "rag_search", "config": {"query": "invoice", "collection": "handbook"}},
        {"id": "ask", "type": "prompt", "config": {
            "provider": "local", "prompt": "When are invoices paid?", "context": "${ steps.look.output.context }"}},
        tell(f"{served.receiver.url}/200/item-06"),
        {"id": "wait", "type": "delay", "config": {"for": 0.01}},
        log_step(),
        output="${ steps.ask.output.text }",
    )  # fmt: skip

    assert types >= {"prompt", "rag_search", "webhook", "delay", "log"}
    assert "30 days" in ada.end(run)["result"]
    assert "Logged" in {line["event"]["type"] for line in ada.events(run)}


def test_item_07_workflows_runs_read_sees_runs_events_artifacts_and_definitions(served: Served) -> None:
    ada, vera, ben = served.caller("author"), served.caller("viewer", user="vera"), served.caller("starter", user="ben")
    ada.client.put(f"{ROOT}/definitions/seen", json=ADD | {"name": "seen"})
    run = ada.run(log_step())
    paths = [RUNS, f"{RUNS}/{run}", f"{RUNS}/{run}/events", f"{RUNS}/{run}/artifacts", f"{ROOT}/definitions/seen"]

    assert "workflows.runs.read" in vera.get("/api/v1/whoami").json()["permissions"]
    assert [vera.get(path).status_code for path in paths] == [200] * 5
    assert [ben.get(path).status_code for path in paths[1:4]] == [404] * 3
    assert run not in ben.get(RUNS).text


def test_item_08_workflows_runs_control_steers_and_decides(served: Served) -> None:
    olga, vera = served.caller("operator", user="oleg"), served.caller("viewer", user="vera")
    run = served.caller("starter").start("asks")
    [asked] = olga.until(f"{RUNS}/{run}", lambda look: look.get("approvals"))["approvals"]
    body = {"name": asked["name"], "digest": asked["digest"]}
    denied = [vera.post(f"{RUNS}/{run}/{action}", body if action in ("approve", "reject") else None)
              for action in (*STEERING, "approve", "reject")]  # fmt: skip
    paused, resumed = olga.post(f"{RUNS}/{run}/pause"), olga.post(f"{RUNS}/{run}/resume")
    approved = olga.post(f"{RUNS}/{run}/approve", body)

    assert {one.json()["expected"] for one in denied} == {"workflows.runs.control"}
    assert [one.status_code for one in (*denied, paused, resumed, approved)] == [403] * 6 + [200] * 3
    assert olga.end(run)["result"] == "approved"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [LOOPS["asyncio"]])
async def test_item_09_in_single_user_mode_all_is_allowed_at_this_machine_and_only_there() -> None:
    async with perdure.open("memory:", workflows=[hello]) as runtime:
        app: Any = asgi(runtime, HttpSettings(single_user=True))
        statuses: list[int] = []
        for address in ("127.0.0.1", "192.0.2.7"):
            transport = httpx.ASGITransport(app, client=(address, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                statuses.append((await client.post(RUNS, json={"workflow": "hello", "arguments": ["Ann"]})).status_code)
                statuses.append((await client.get("/metrics")).status_code)

    assert statuses == [201, 200, 401, 401]


def test_item_10_in_multi_user_mode_roles_say_who_may_what(served: Served) -> None:
    nobody, viewer, starter = served.nobody, served.caller("viewer", user="vera"), served.caller("starter")
    body = {"workflow": "order", "arguments": [7]}

    assert [who.post(RUNS, body).status_code for who in (nobody, viewer, starter)] == [401, 403, 201]


def test_item_11_step_types_are_listed_by_the_seeds_command(served: Served) -> None:
    told = curl(TYPES, served, API_KEY=served.caller("viewer", user="vera").key)
    lines = {line["name"]: line for line in json.loads(told.stdout)["types"]}

    assert told.returncode == 0, told.stderr
    assert lines["webhook"]["config_schema"]["$defs"]["WebhookConfig"]["required"] == ["url", "topic"]
    assert lines["prompt"]["example"]
    assert all(line["min_engine_version"] for line in lines.values())


def test_item_12_events_are_paged_by_limit_since_and_types(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run(log_step("a"), log_step("b"))
    ada.end(run)
    told = curl(EVENTS, served, API_KEY=ada.key, RUN_ID=run)
    page = ada.get(f"{RUNS}/{run}/events?limit=2").json()
    rest, typed = ada.events(run, f"?since={page['since']}"), ada.events(run, "?types=RunStarted,RunCompleted")

    assert [line["event_seq"] for line in page["events"] + rest] == [line["event_seq"] for line in json.loads(told.stdout)["events"]]
    assert (len(page["events"]), page["more"]) == (2, True)
    assert [line["event"]["type"] for line in typed] == ["RunStarted", "RunCompleted"]


def test_item_13_an_action_needs_control_and_is_one_of_those_that_there_are(served: Served) -> None:
    ann, olga = served.caller("starter"), served.caller("operator", user="oleg")
    run = ann.start("order", 7)
    command = f'curl -X POST -H "X-API-KEY: $API_KEY" http://127.0.0.1:8000{RUNS}/$RUN_ID/pause'

    assert [ann.post(f"{RUNS}/{run}/{action}").status_code for action in STEERING] == [403] * 4
    assert curl(command, served, API_KEY=olga.key, RUN_ID=run).returncode == 0
    assert olga.post(f"{RUNS}/{run}/explode").status_code == 404


def test_item_26_owners_see_their_runs_viewers_all_and_operators_steer(served: Served) -> None:
    ann, ben = served.caller("starter"), served.caller("starter", user="ben")
    vera, oleg = served.caller("viewer", user="vera"), served.caller("operator", user="oleg")
    run = ann.start("order", 7)

    assert [who.get(f"{RUNS}/{run}").status_code for who in (ann, ben, vera, oleg)] == [200, 404, 200, 200]
    assert [who.post(f"{RUNS}/{run}/pause").status_code for who in (ann, ben, vera, oleg)] == [403, 403, 403, 200]


def test_item_27_polling_with_the_last_seq_tells_each_event_once(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run(*(log_step(f"s{number}") for number in range(4)))
    seen: list[int] = []
    since = 0
    while True:
        page = ada.get(f"{RUNS}/{run}/events?since={since}&limit=3&wait=5").json()
        seen += [line["event_seq"] for line in page["events"]]
        since = page["since"]
        if page["status"] == "completed" and not page["more"]:
            break

    assert seen == list(range(1, len(seen) + 1))
    assert [ada.get(f"{RUNS}/{run}/events?limit={limit}").status_code for limit in (200, 500, 501)] == [200, 200, 422]


def test_item_29_an_idempotency_key_gives_the_same_run(served: Served) -> None:
    ada = served.caller("author")
    body = {"definition": {"name": "once", "steps": [log_step()]}}
    told = [ada.post(f"{ROOT}/run", body, Idempotency_Key="order-o-1") for _ in range(2)]

    assert [one.status_code for one in told] == [201, 201]
    assert told[0].json()["run"] == told[1].json()["run"]


def asks_for(name: str, look: Any) -> bool:
    return [one["name"] for one in look.get("approvals", ())] == [name]


def test_item_29_people_are_waited_for_and_steps_branch_and_map(served: Served) -> None:
    ada, oleg = served.caller("author"), served.caller("operator", user="oleg")
    run = ada.run(
        {"id": "each", "type": "map", "config": {"over": "inputs.n", "as": "one", "concurrency": 2, "steps": [
            {"id": "double", "type": "transform", "config": {"value": "${ one * 2 }"}}]}},
        {"id": "large", "type": "branch", "config": {"cases": [{"when": "size(steps.each.output) > 1", "steps": [
            {"id": "human", "type": "wait_for_human", "config": {"show": {"n": "${ steps.each.output }"}}},
            {"id": "ship", "type": "wait_for_approval", "config": {}}]}]}},
        inputs={"n": [1, 2]}, output="${ steps.each.output }",
    )  # fmt: skip
    for name in ("human", "ship"):
        [asked] = oleg.until(f"{RUNS}/{run}", partial(asks_for, name))["approvals"]
        assert oleg.post(f"{RUNS}/{run}/approve", {"name": name, "digest": asked["digest"]}).status_code == 200

    assert ada.end(run)["result"] == [2, 4]


def test_item_29_an_artifact_is_read_in_ranges_and_held_against_its_checksum(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run({"id": "keep", "type": "python", "config": {"step": "keep", "arguments": {"text": "0123456789"}}})
    ada.end(run)
    path = f"{RUNS}/{run}/artifacts/notes%2Freport.txt"
    part, whole = ada.get(path, Range="bytes=8-11"), ada.get(path)

    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"8901", "bytes 8-11/1000")
    assert whole.headers["etag"] == f'"{sha256(whole.content).hexdigest()}"'


def test_item_29_secrets_are_named_and_never_kept(embedded: Served) -> None:
    ada = embedded.caller("author")
    told = tell(f"{embedded.receiver.url}/200/secret")
    call = {"id": "call", "type": "http", "config": {"url": f"{embedded.receiver.url}/200/secret", "method": "POST", "json": {},
                                                     "headers": {"Authorization": {"secret": "PARTNER"}}}}  # fmt: skip
    run = ada.run(call, told)
    ada.end(run)

    assert "sesame-of-the-partner" in {one.headers.get("authorization") for one in embedded.receiver.requests}
    assert "sesame-of-the-partner" not in json.dumps(ada.events(run))
    assert not [path.name for path in embedded.room.iterdir() if path.is_file() and b"sesame-of-the-partner" in path.read_bytes()]


def test_item_29_events_are_told_as_they_happen(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run(log_step())
    with ada.client.stream("GET", f"{RUNS}/{run}/events", headers={"Accept": "text/event-stream"}) as told:
        lines = [line for line in told.iter_lines() if line.startswith("id: ")]

    assert told.headers["content-type"].startswith("text/event-stream")
    assert all(int(one[4:]) <= int(other[4:]) for one, other in pairwise(lines))
