"""Definitions over NATS: a client keeps, looks at and runs them through whichever worker answers."""

from __future__ import annotations

from uuid import uuid4

import pytest

import perdure
from perdure.eventlog.errors import Invalid
from tests.adapters.nats.server import NatsServer
from tests.runtime.definitions.describing import PATIENCE, Greet, steps

pytestmark = pytest.mark.anyio

WRONG = "name: a\nsteps: [{id: a, type: gret}]"
INNER = """
name: inner
inputs: {n: {}}
steps:
- {id: a, type: transform, config: {value: "${ inputs.n + '!' }"}}
"""
OUTER = steps("""
- {id: a, type: greet, config: {whom: "${ inputs.n }"}}
- {id: b, type: workflow, config: {definition: inner, inputs: {n: "${ steps.a.output }"}}}
""", inputs="{n: {}}")  # fmt: skip


async def test_a_client_keeps_and_runs_definitions_as_the_process_that_serves_them(nats_server: NatsServer) -> None:
    url = f"{nats_server.url}/{uuid4().hex}"
    async with perdure.open(url, step_types=[Greet()]), perdure.connect(url) as client:
        kept = [await client.apply_definition(text, by="Ada") for text in (INNER, OUTER, INNER)]
        run = await client.start_definition("example", {"n": "Ada"}, id="r")

        assert [(one.name, one.version, one.by) for one in kept] == [("inner", 1, "Ada"), ("example", 1, "Ada"), ("inner", 1, "Ada")]
        assert await run.result(within=PATIENCE) == "hello Ada!"
        assert "greet" in {line.name for line in (await client.step_types()).types}
        assert [fault.path for fault in (await client.check_definition(WRONG)).faults] == ["$.steps[0].type"]
        with pytest.raises(Invalid, match="no such type of step"):
            await client.apply_definition(WRONG)
        assert (await client.archive_definition("inner", expected=1)).archived
        assert (await client.definition("inner")).history[0].by == "Ada"
