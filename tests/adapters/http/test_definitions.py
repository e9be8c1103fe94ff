"""Definitions over HTTP: kept in versions that nobody overwrites by mistake, compared, run, and faulted with path and line."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx
import pytest

from perdure.adapters.system.clock import WorkerThreads
from tests.adapters.http.shop import RUNS, Caller, Shop, shop

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/workflows"
KEPT = f"{ROOT}/definitions"
ADD = """name: add
inputs:
  n: {type: integer}
steps:
- {id: sum, type: transform, config: {value: "${ inputs.n + 1 }"}}
"""
FAULTY = """name: add
steps:
- {id: a, type: transform}
- id: b
  type: trensform
  needs: [c]
"""


async def sent(who: Caller, method: str, path: str, text: str, media: str = "application/yaml", **headers: str) -> httpx.Response:
    given = who.headers | {"content-type": media} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await who.client.request(method, path, content=text, headers=given)


async def author(service: Shop) -> Caller:
    return await service.caller("author", user="ada")


async def test_a_definition_is_created_shown_by_its_tag_and_renewed_on_top_of_what_was_seen() -> None:
    async with shop() as service:
        ada = await author(service)
        made = await sent(ada, "POST", KEPT, ADD)
        again, taken = await sent(ada, "POST", KEPT, ADD), await sent(ada, "POST", KEPT, ADD.replace("+ 1", "+ 2"))
        had = await ada.get(f"{KEPT}/add", if_none_match=made.headers["etag"])
        new = await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 3"), if_match=made.headers["etag"])
        late = await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 4"), if_match=made.headers["etag"])
        first = await ada.get(f"{KEPT}/add?version=1")

    assert (made.status_code, made.headers["location"], made.json()["by"]) == (201, f"{KEPT}/add", "ada")
    assert made.headers["etag"] == f'"{made.json()["digest"]}"' == first.headers["etag"]
    assert [again.status_code, again.json()["version"], taken.status_code] == [201, 1, 409]
    assert [had.status_code, had.content] == [304, b""]
    assert [new.status_code, new.json()["version"], late.status_code, late.json()["code"]] == [200, 2, 412, "stale"]
    assert [one["version"] for one in first.json()["history"]] == [1, 2]


async def test_a_put_names_what_it_keeps_and_makes_what_is_not_there_only_where_that_is_meant() -> None:
    async with shop() as service:
        ada = await author(service)
        other = await sent(ada, "PUT", f"{KEPT}/sum", ADD)
        nothing = await sent(ada, "PUT", f"{KEPT}/add", ADD, if_match="*")
        made = await sent(ada, "PUT", f"{KEPT}/add", ADD, if_none_match="*")
        there = await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 2"), if_none_match="*")

    assert (other.status_code, other.json()["errors"][0]["path"]) == (422, "$.name")
    assert [one.status_code for one in (nothing, made, there)] == [412, 200, 412]


async def test_of_two_who_change_the_same_at_once_one_is_told_so() -> None:
    async with shop() as service:
        ada = await author(service)
        tag = (await sent(ada, "POST", KEPT, ADD)).headers["etag"]
        told: list[int] = []

        async def renew(sum_: str) -> None:
            told.append((await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", sum_), if_match=tag)).status_code)

        async with anyio.create_task_group() as group:
            for number in range(2, 6):
                group.start_soon(renew, f"+ {number}")
        versions = (await ada.get(f"{KEPT}/add")).json()["history"]

    assert (told.count(200), len(versions)) == (1, 2)
    assert set(told) <= {200, 409, 412}


async def test_what_is_archived_begins_nothing_until_it_is_kept_again() -> None:
    async with shop() as service:
        ada = await author(service)
        tag = (await sent(ada, "POST", KEPT, ADD)).headers["etag"]
        stale = await sent(ada, "DELETE", f"{KEPT}/add", "", if_match='"other"')
        gone = await sent(ada, "DELETE", f"{KEPT}/add?why=old", "", if_match=tag)
        refused = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}})
        listed = [(await ada.get(KEPT + query)).json()["definitions"] for query in ("", "?archived=true")]
        await sent(ada, "PUT", f"{KEPT}/add", ADD)
        began = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}})

    assert [stale.status_code, gone.status_code, gone.json()["archived"]] == [412, 200, True]
    assert [refused.status_code, began.status_code] == [409, 201]
    assert [len(page) for page in listed] == [0, 1]


async def test_faults_are_a_list_with_path_line_found_and_instead() -> None:
    async with shop() as service:
        ada = await author(service)
        told = await sent(ada, "POST", KEPT, FAULTY)
        found = (await sent(ada, "POST", f"{ROOT}/validate", FAULTY)).json()["faults"]
        right = (await sent(ada, "POST", f"{ROOT}/validate", ADD)).json()
        adhoc = await ada.post(f"{ROOT}/run", {"definition": FAULTY})
        none = await ada.get(f"{KEPT}/add")

    problem = told.json()
    assert [told.status_code, told.headers["content-type"], problem["code"]] == [422, "application/problem+json", "faulty_definition"]
    assert [(one["path"], one["line"], one["found"]) for one in problem["errors"]] == [
        ("$.steps[0].config", 3, "nothing"), ("$.steps[1].type", 5, "'trensform'"), ("$.steps[1].needs[0]", 6, "'c'"),
    ]  # fmt: skip
    assert all(one["instead"] and one["path"] and one["line"] for one in problem["errors"])
    assert problem["errors"] == found == adhoc.json()["errors"]
    assert (right["faults"], right["plain"]["name"]) == ([], "add")
    assert none.status_code == 404


async def test_versions_are_compared_line_by_line() -> None:
    async with shop() as service:
        ada = await author(service)
        await sent(ada, "POST", KEPT, ADD)
        await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 2"))
        told = (await ada.get(f"{KEPT}/add/diff")).json()
        same = (await ada.get(f"{KEPT}/add/diff?old=1&new=1")).json()

    assert (told["old"], told["new"], same["lines"]) == (1, 2, [])
    assert [line for line in told["lines"] if line[0] in "+-"][2:] == ["-    value: ${ inputs.n + 1 }", "+    value: ${ inputs.n + 2 }"]


async def test_definitions_are_listed_page_by_page() -> None:
    async with shop() as service:
        ada = await author(service)
        for name in ("c", "a", "b"):
            await sent(ada, "POST", KEPT, ADD.replace("name: add", f"name: {name}"))
        first = (await ada.get(f"{KEPT}?limit=2")).json()
        rest = (await ada.get(f"{KEPT}?limit=2&after={first['after']}")).json()
        other = (await (await service.caller("author", tenant="other")).get(KEPT)).json()

    assert [[line["name"] for line in page["definitions"]] for page in (first, rest, other)] == [["a", "b"], ["c"], []]
    assert rest["after"] is None


@pytest.mark.parametrize("definition", [ADD, {"name": "add", "inputs": {"n": {}}, "steps": [
    {"id": "sum", "type": "transform", "config": {"value": "${ inputs.n + 1 }"}}]}])  # fmt: skip
async def test_a_run_begins_by_a_definition_that_is_kept_and_by_one_that_comes_along(definition: Any) -> None:
    async with shop() as service:
        ada = await author(service)
        body = definition if isinstance(definition, str) else json.dumps(definition)
        await sent(ada, "POST", KEPT, body, "application/yaml" if isinstance(definition, str) else "application/json")
        saved = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}, "run": "saved"})
        adhoc = await ada.post(f"{ROOT}/run", {"definition": definition, "inputs": {"n": 2}, "run": "adhoc"})
        ends = [(await ada.get(f"{RUNS}/{run}/result?within=20")).json()["result"] for run in ("saved", "adhoc")]
        owner = (await ada.get(f"{RUNS}/adhoc")).json()["by"]

    assert [saved.status_code, adhoc.status_code, ends, owner] == [201, 201, [2, 3], "ada"]


async def test_a_key_gives_the_same_run_though_the_definition_has_another_version_by_now() -> None:
    async with shop() as service:
        ada = await author(service)
        await sent(ada, "POST", KEPT, ADD)
        first = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}}, idempotency_key="o-1")
        await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 2"))
        again = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}}, idempotency_key="o-1")
        other = await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 5}}, idempotency_key="o-1")

    assert [first.status_code, again.status_code, other.status_code] == [201, 201, 409]
    assert first.json()["run"] == again.json()["run"]


async def test_who_may_start_runs_but_write_no_definitions_brings_none_along() -> None:
    """A definition names secrets and steps: whoever could bring one along could use all of them."""
    async with shop() as service:
        starter = await service.caller("starter")
        bound = {"definition": {"name": "x", "steps": [{"id": "a", "type": "log", "config": {"message": "m"}}]}}
        adhoc = await starter.post(f"{ROOT}/run", bound)
        by_name = await starter.post(RUNS, {"workflow": "perdure.definition", "version": 1, "arguments": [bound, {}]})
        either = await starter.post(f"{ROOT}/signal-or-start", {"workflow": "perdure.definition", "run": "r", "signal": "s"})

    assert [adhoc.status_code, adhoc.json()["expected"]] == [403, "workflows.definitions.write"]
    assert [by_name.status_code, either.status_code] == [409, 409]


async def test_what_is_nested_too_deeply_or_begins_too_late_is_refused() -> None:
    async with shop() as service:
        ada = await author(service)
        deep = await sent(ada, "POST", KEPT, '{"a":' * 3000 + "1" + "}" * 3000, "application/json")
        late = [await ada.post(f"{ROOT}/run", {"definition": ADD, "inputs": {"n": 1}, name: 1e13}) for name in ("delay", "deadline")]

    assert [deep.status_code, *(one.status_code for one in late)] == [422] * 3
    assert [one.json()["where"] for one in late] == ["delay, deadline"] * 2


async def test_a_long_definition_is_read_aside_so_that_nobody_else_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asides: list[Any] = []
    look = WorkerThreads.look

    async def noted(self: WorkerThreads, function: Any, *args: Any) -> Any:
        asides.append(function)
        return await look(self, function, *args)

    monkeypatch.setattr(WorkerThreads, "look", noted)
    async with shop() as service:
        ada = await author(service)
        long = ADD + "".join(f"- {{id: s{number}, type: log, config: {{message: m}}}}\n" for number in range(200))
        for text in (ADD, long.replace("name: add", "name: long")):
            await sent(ada, "POST", KEPT, text)
        began = await ada.post(f"{KEPT}/long/run", {"inputs": {"n": 1}})
        found = len(asides)

    assert (began.status_code, found) == (201, 2)


async def test_a_text_that_is_none_and_a_form_are_refused() -> None:
    async with shop() as service:
        ada = await author(service)
        form = await sent(ada, "POST", KEPT, ADD, "text/plain")
        bytes_ = await ada.client.post(KEPT, content=b"\xff", headers=ada.headers | {"content-type": "application/yaml"})
        empty = await sent(ada, "POST", KEPT, "")

    assert [form.status_code, bytes_.status_code, empty.status_code] == [422, 422, 422]
    assert form.json()["where"] == "header content-type"
    assert empty.json()["errors"][0]["found"] == "nothing"


async def test_a_look_at_a_run_says_what_the_list_does_of_its_definition_and_its_times() -> None:
    async with shop() as service:
        ada = await service.caller("author", "operator", user="ada")
        await sent(ada, "POST", KEPT, ADD)
        await sent(ada, "PUT", f"{KEPT}/add", ADD.replace("+ 1", "+ 2"))
        run = (await ada.post(f"{KEPT}/add/run", {"inputs": {"n": 1}})).json()["run"]
        end = (await ada.get(f"{RUNS}/{run}/result")).json()
        look, (line,) = (await ada.get(f"{RUNS}/{run}")).json(), (await ada.get(RUNS)).json()["runs"]

    assert [look[name] for name in ("started", "changed", "attributes")] == [line[name] for name in ("started", "changed", "attributes")]
    assert (look["attributes"]["definition"], look["attributes"]["definition_version"]) == ("add", 2)
    assert look["started"] <= look["changed"]
    assert "attributes" not in end
