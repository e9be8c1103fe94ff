"""Runs over HTTP: what a caller sees is what the runtime does, and what does not fit is said with its parts."""

from __future__ import annotations

import httpx
import pytest

import perdure
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.shop import FLOWS, RUNS, SECRET, shop

pytestmark = pytest.mark.anyio


async def test_a_run_is_started_followed_steered_and_ended() -> None:
    async with shop() as service:
        ann = await service.caller("operator", "starter")
        run = await ann.start("order", [7], run="o-1")
        paused = await ann.post(f"{RUNS}/{run}/pause", {"reason": "lunch"})
        resumed = await ann.post(f"{RUNS}/{run}/resume")
        early = await ann.get(f"{RUNS}/{run}/result?within=0.05")
        told = await ann.post(f"{RUNS}/{run}/signal/address", "Elm Street")
        end = await ann.get(f"{RUNS}/{run}/result")

        assert [paused.json()["status"], resumed.json()["status"], early.status_code] == ["paused", "running", 202]
        assert told.status_code == 200
        assert end.json() == {"reply": "applied", "run": "o-1", "version": end.json()["version"], "status": "completed",
                              "workflow": "order", "result": "7 to Elm Street", "by": "ann"}  # fmt: skip


async def test_handlers_are_called_and_asked() -> None:
    async with shop() as service:
        ann = await service.caller("operator", "starter")
        run = await ann.start()
        added = await ann.post(f"{RUNS}/{run}/update/add", ["a note"])
        notes = await ann.post(f"{RUNS}/{run}/query/notes")

        assert added.json()["result"] == 1
        assert notes.json()["result"] == ["a note"]


async def test_under_one_idempotency_key_there_is_one_run_and_another_users_key_is_another() -> None:
    async with shop() as service:
        ann, ben = await service.caller("starter"), await service.caller("starter", user="ben")
        body = {"workflow": "order", "arguments": [7]}
        first, again, other = [await who.post(RUNS, body, idempotency_key="k-1") for who in (ann, ann, ben)]
        changed = await ann.post(RUNS, {"workflow": "order", "arguments": [8]}, idempotency_key="k-1")

        assert first.json()["run"] == again.json()["run"] != other.json()["run"]
        assert changed.status_code == 409


@pytest.mark.parametrize("id", ["p-1/0", "p-1/0.1/2", "nobody/7", "p" * 103 + "-0123456789abcdef"])
async def test_an_id_that_a_child_of_some_run_may_have_is_nobodys_to_take(id: str) -> None:
    """Else who may start a run could stand in the way of another's child, or be taken for it."""
    async with shop() as service:
        ann = await service.caller("starter")
        told = await ann.post(RUNS, {"workflow": "hello", "arguments": ["Eve"], "run": id})
        free = await ann.post(RUNS, {"workflow": "hello", "arguments": ["Eve"], "run": "2026/order-7"})

    assert (told.status_code, told.json()["where"]) == (409, "run")
    assert free.status_code == 201


async def test_events_come_in_pages_of_any_size_without_a_gap() -> None:
    async with shop() as service:
        ann = await service.caller("starter")
        run = await ann.start("hello", ["Ann"])
        await ann.get(f"{RUNS}/{run}/result")
        whole = (await ann.get(f"{RUNS}/{run}/events?limit=500")).json()
        seen: list[int] = []
        since, more = 0, True
        while more:
            page = (await ann.get(f"{RUNS}/{run}/events?limit=1&since={since}")).json()
            seen += [event["event_seq"] for event in page["events"]]
            since, more = page["since"], page["more"]
        some = (await ann.get(f"{RUNS}/{run}/events?types=RunStarted,RunCompleted")).json()

        assert seen == [event["event_seq"] for event in whole["events"]] == list(range(1, len(seen) + 1))
        assert [event["event"]["type"] for event in some["events"]] == ["RunStarted", "RunCompleted"]


async def test_who_waits_for_events_is_told_of_the_next_one() -> None:
    import anyio

    async with shop() as service:
        ann = await service.caller("starter")
        run = await ann.start("asks", [])
        page = (await ann.get(f"{RUNS}/{run}/events")).json()
        later: list[str] = []

        async def wait() -> None:
            told = (await ann.get(f"{RUNS}/{run}/events?since={page['since']}&wait=10")).json()
            later.extend(event["event"]["type"] for event in told["events"])

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await service.runtime.run(run, tenant="acme").cancel()

        assert later[0] == "CancelRequested"


async def test_an_approval_is_decided_by_who_calls_and_by_the_digest_of_what_was_shown() -> None:
    async with shop() as service:
        olga = await service.caller("operator", "starter", user="olga")
        run = await olga.start("asks", [])
        asked = (await olga.get("/api/v1/workflows/approvals")).json()["approvals"]
        unseen = await olga.post(f"{RUNS}/{run}/approve", {"name": "ship", "digest": "00"})
        forged = await olga.post(f"{RUNS}/{run}/approve", {"name": "ship", "digest": asked[0]["digest"], "by": "Eve"})
        done = await olga.post(f"{RUNS}/{run}/approve", {"name": "ship", "digest": asked[0]["digest"], "why": "paid"})
        events = (await olga.get(f"{RUNS}/{run}/events?types=ApprovalDecided")).json()["events"]

        assert [unseen.status_code, forged.status_code, done.json()["result"]] == [409, 422, "approved"]
        assert [events[0]["event"][name] for name in ("by", "why", "outcome")] == ["olga", "paid", "approved"]


async def test_an_id_may_hold_any_character() -> None:
    async with shop() as service:
        ann = await service.caller("starter")
        await ann.start("asks", [], run="night/0.7 ?é")

        assert (await ann.get(f"{RUNS}/night%2F0.7%20%3F%C3%A9")).json()["run"] == "night/0.7 ?é"


async def test_artifacts_come_whole_in_parts_or_not_again() -> None:
    async with shop() as service:
        ann = await service.caller("starter")
        run = await ann.start()
        while not (listed := (await ann.get(f"{RUNS}/{run}/artifacts")).json()["artifacts"]):
            pass
        path = f"{RUNS}/{run}/artifacts/notes%2Freport.txt"
        whole, part, last = await ann.get(path), await ann.get(path, range="bytes=5-14"), await ann.get(path, range="bytes=-3")
        same = await ann.get(path, if_none_match=whole.headers["etag"])
        beyond, other = await ann.get(path, range="bytes=1000-"), await ann.get(f"{RUNS}/{run}/artifacts/..%2F..%2Fetc%2Fpasswd")

        assert whole.text == "0123456789" * 100
        assert whole.headers["etag"] == f'"{listed[0]["digest"]}"'
        assert [part.text, part.status_code, part.headers["content-range"], last.text] == ["5678901234", 206, "bytes 5-14/1000", "789"]
        assert [same.status_code, same.content, beyond.status_code, other.status_code] == [304, b"", 416, 404]
        assert beyond.headers["content-range"] == "bytes */1000"

        backwards, suffix = await ann.get(path, range="bytes=5-2"), await ann.get(path, range="bytes=-0")
        assert [backwards.status_code, backwards.content, suffix.status_code] == [200, whole.content, 416]


async def test_what_is_asked_by_head_is_told_without_its_content() -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("default", "ann", ["starter"])
        app = asgi(runtime, HttpSettings(key_secret=SECRET))
        headers = {"x-api-key": made.text}
        async with served(app, "127.0.0.1", 0) as address, httpx.AsyncClient(base_url=address, headers=headers) as client:
            run = (await client.post(RUNS, json={"workflow": "order", "arguments": [7]})).json()["run"]
            while not (await client.get(f"{RUNS}/{run}/artifacts")).json()["artifacts"]:
                pass
            kept = f"{RUNS}/{run}/artifacts/notes%2Freport.txt"
            paths = (kept, f"{RUNS}/{run}/artifacts", f"{RUNS}/{run}/artifacts/none", "/health", "/healthz", "/readyz")
            told = [(await client.get(path), await client.head(path)) for path in paths]
            stranger = await client.head(kept, headers={"x-api-key": "x"})
            tag = told[0][0].headers["etag"]
            part, had = [await client.head(kept, headers=one) for one in ({"range": "bytes=0-1"}, {"if-none-match": tag})]
            allowed = (await client.options("/readyz")).headers["allow"]

    for whole, head in told:
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert {name: text for name, text in head.headers.items() if name != "date"} == {
            name: text for name, text in whole.headers.items() if name != "date"
        }
    assert [stranger.status_code, part.status_code, part.headers["content-length"], had.status_code] == [401, 200, "1000", 304]
    assert allowed == "GET, HEAD, OPTIONS"


async def test_a_long_query_that_does_not_fit_is_not_told_again_whole() -> None:
    async with shop() as service:
        ann = await service.caller("operator")
        told = [await ann.get(f"{RUNS}?{query}") for query in ("limit=" + "9" * 20_000 + "x", "x" * 20_000 + "=1", "a" * 20_000)]

    assert [one.status_code for one in told] == [422] * 3
    assert max(len(one.content) for one in told) < 1500


@pytest.mark.parametrize(
    ("path", "body", "status", "where", "expected"),
    [
        (RUNS, {"workflow": "order", "arguments": [7], "trun": "x"}, 422, "$.trun", "workflow, version, arguments"),
        (RUNS, {"workflow": "order", "arguments": ["seven"]}, 422, "$[0]", "int"),
        (RUNS, {"workflow": "oder", "arguments": []}, 404, "", "asks"),
        (RUNS, {"workflow": "order", "arguments": [7], "delay": "1"}, 422, "$.delay", "float"),
        (f"{RUNS}/nobody/cancel", {}, 404, "run id", "the id of a run"),
        (f"{RUNS}/nobody/cancel?within=0", {}, 422, "within", "more than 0"),
        (f"{RUNS}/nobody/cancel?reason=x", {}, 422, "reason", "within"),
        (f"{RUNS}/nobody/fly", {}, 404, "", ""),
    ],
)
async def test_what_does_not_fit_is_told_with_its_parts(path: str, body: object, status: int, where: str, expected: str) -> None:
    async with shop() as service:
        ann = await service.caller("operator", "starter")
        told = await ann.post(path, body)
        problem = told.json()

        assert told.headers["content-type"] == "application/problem+json"
        assert (told.status_code, problem["status"]) == (status, status)
        assert where in problem.get("where", "")
        assert expected in problem.get("expected", "")
        assert problem["instead"]


async def test_a_body_must_say_that_it_is_json_and_be_flat() -> None:
    async with shop() as service:
        ann = await service.caller("operator", "starter")
        plain = await ann.client.post(RUNS, content=b'{"workflow":"hello"}', headers=ann.headers | {"content-type": "text/plain"})
        deep = await ann.client.post(RUNS, content=b'{"workflow":"hello","arguments":' + b"[" * 100 + b"]" * 100 + b"}",
                                     headers=ann.headers | {"content-type": "application/json"})  # fmt: skip

        assert [plain.status_code, deep.status_code] == [422, 422]
        assert "nested too deeply" in deep.json()["title"]


async def test_what_nothing_can_be_called_is_no_empty_list_but_named_with_all_that_there_is() -> None:
    async with shop() as service:
        ann = await service.caller("operator", "starter")
        run = await ann.start("hello", ["Ann"])
        await ann.get(f"{RUNS}/{run}/result")
        asked = {
            f"{RUNS}?status=Completed": "completed", "/api/v1/workflows/webhooks/dlq?status=deed": "dead",
            f"{RUNS}/{run}/webhooks/deliveries?status=foo": "dropped", f"{RUNS}/{run}/events?types=RunStarted,RunComplete": "RunCompleted",
        }  # fmt: skip
        told = {path: await ann.get(path) for path in asked}
        none = await ann.get(f"{RUNS}?status=timed_out")
        stream = await ann.get(f"{RUNS}/{run}/events?types=RunComplete", accept="text/event-stream")
        retried = await ann.post(f"{RUNS}/{run}/retry", {"from_version": -4})

    for path, known in asked.items():
        problem = told[path].json()
        assert (told[path].status_code, known in problem["expected"].split(", ")) == (422, True), path
    assert "write completed" in told[f"{RUNS}?status=Completed"].json()["instead"]
    assert "write RunCompleted" in told[f"{RUNS}/{run}/events?types=RunStarted,RunComplete"].json()["instead"]
    assert (none.status_code, none.json()["runs"]) == (200, [])
    assert [stream.status_code, retried.status_code] == [422, 422]
