"""The types `http` and `webhook` in a definition, to receivers on this machine."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest

import perdure
from perdure.adapters.compose import types_of
from perdure.runtime.definitions.checking import check
from tests.adapters.webhooks.receiver import Receiver


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_SECRET_KEY", "sesame-open-yourself")


def definition(url: str) -> dict[str, Any]:
    return {
        "name": "order", "inputs": {"n": {"type": "integer"}},
        "steps": [
            {"id": "ask", "type": "http", "config": {
                "url": f"{url}/200/ask", "method": "POST", "headers": {"Authorization": {"secret": "KEY"}}, "json": {"n": "${ inputs.n }"},
            }},
            {"id": "tell", "type": "webhook", "config": {
                "url": f"{url}/200/tell", "topic": "order.paid", "data": {"status": "${ steps.ask.output.status }"},
            }},
        ],
    }  # fmt: skip


@pytest.mark.anyio
async def test_a_definition_calls_and_tells(receiver: Receiver) -> None:
    async with perdure.open("memory:") as runtime:
        run = await runtime.start_definition(definition(receiver.url), {"n": 7}, on_end=f"{receiver.url}/200/end")
        id = await run.result()
        found = {request.path.rpartition("/")[2]: request for request in await anyio.to_thread.run_sync(receiver.wait, 3)}

    assert (found["ask"].headers["authorization"], found["ask"].body) == ("sesame-open-yourself", b'{"n":7}')
    assert (found["tell"].id, found["tell"].headers["x-run-id"]) == (id, run.id)
    assert found["tell"].body.endswith(b'"data":{"status":200}}')
    assert found["end"].body.startswith(b'{"type":"run.completed"')


@pytest.mark.anyio
async def test_a_definition_calls_nobody_inside(receiver: Receiver) -> None:
    async with perdure.open("memory:") as runtime:
        for name, more in (("http", {}), ("webhook", {"topic": "t"})):
            step = {"id": "a", "type": name, "config": {"url": "http://10.0.0.1/", **more}}
            run = await runtime.start_definition({"name": "inside", "steps": [step]})
            with pytest.raises(perdure.RunError, match="this host is not called"):
                await run.result()


@pytest.mark.anyio
async def test_the_types_are_listed_with_schema_and_example() -> None:
    async with perdure.open("memory:") as runtime:
        lines = {line.name: line for line in (await runtime.step_types()).types}

    assert lines["http"].config_schema["$ref"]
    assert lines["webhook"].example["topic"] == "order.paid"


@pytest.mark.parametrize(
    ("kind", "config", "path", "found"),
    [
        ("http", {"url": "ftp://x"}, "url", "'ftp://x'"),
        ("http", {"url": "https://a b/"}, "url", "'https://a b/'"),
        ("http", {"url": "https://x/", "headers": {"a b": "c"}}, "headers.a b", "'a b'"),
        ("http", {"url": "https://x/", "headers": {"a": "b\r\nc: d"}}, "headers.a", "7 characters"),
        ("http", {"url": "https://x/", "headers": {"Host": "${ run.id }"}}, "headers.Host", "Host"),
        ("webhook", {"url": "ftp://x", "topic": "t"}, "url", "'ftp://x'"),
        ("webhook", {"url": "https://x/", "topic": ""}, "topic", "''"),
        ("prompt", {"url": "x", "prompt": "p", "model": "m"}, "url", "'x'"),
    ],
)
def test_what_is_written_out_and_could_never_be_called_is_a_fault(kind: str, config: dict[str, Any], path: str, found: str) -> None:
    (fault,) = check({"name": "a", "steps": [{"id": "a", "type": kind, "config": config}]}, types_of()).faults

    assert fault.path == f"$.steps[0].config.{path}"
    assert found in fault.found
    assert fault.instead


def test_what_expressions_and_secrets_give_is_looked_at_when_it_is_there() -> None:
    headers = {"a": "${ run.id }", "b": {"secret": "KEY"}, "Idempotency-Key": "k"}
    config = {"url": "${ run.id }", "headers": headers}

    assert check({"name": "a", "steps": [{"id": "a", "type": "http", "config": config}]}, types_of()).faults == []
