"""The types `http` and `webhook` in a definition, to receivers on this machine."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest

import perdure
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
