"""Runs of definitions: what each type does, and what becomes of a step that fails, is skipped, or takes too long."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from perdure import RunError, workflow
from perdure.eventlog.errors import Invalid, Refused
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.definitions.types import Types
from tests.conftest import LOOPS, Loop
from tests.runtime.definitions.describing import PATIENCE, result, serving, steps, under_way
from tests.runtime.serving import events

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Loop:
    """One loop is enough here: how runs are driven is held on all of them elsewhere."""
    return LOOPS["asyncio"]


ERROR = "${ steps.a.error.type }"

RUNS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "the last step's output": (steps("- {id: a, type: set, config: {x: 1}}\n- {id: b, type: transform, config: {value: [2]}}"), {}, [2]),
    "an output of its own": (
        steps('- {id: a, type: set, config: {x: "${ inputs.n + 1 }"}}', inputs="{n: {}}", output='{y: "${ steps.a.output.x }"}'),
        {"n": 1},
        {"y": 2},
    ),
    "an output without expressions": (steps("- {id: a, type: set}", output="done"), {}, "done"),
    "a plug-in": (
        steps('- {id: a, type: greet, config: {whom: "${ inputs.n }", times: "${ 1 + 1 }"}}', inputs="{n: {}}"),
        {"n": "Ada"},
        "hello Ada hello Ada",
    ),
    "code": (
        steps("""
- id: a
  type: python
  config: {step: charge, arguments: {bill: {order: o, cents: "${ inputs.n }"}, currency: USD}}
""", inputs="{n: {}}"),
        {"n": 5},
        {"order": "o USD", "cents": 6},
    ),
    "code by position": (
        steps("- {id: a, type: python, config: {step: charge, arguments: [{order: o, cents: 1}]}}"),
        {},
        {"order": "o EUR", "cents": 2},
    ),
    "a skipped step": (
        steps(
            "- {id: a, type: greet, when: inputs.n > 1, config: {whom: x}}",
            inputs="{n: {}}",
            output='["${ steps.a.status }", "${ steps.a.output }"]',
        ),
        {"n": 1},
        ["skipped", None],
    ),
    "a graph": (
        steps("""
- {id: a, type: set, config: {x: 1}}
- {id: b, type: set, needs: [], config: {x: 2}}
- {id: c, type: transform, needs: [b, a], config: {value: "${ steps.a.output.x + steps.b.output.x }"}}
"""),
        {},
        3,
    ),
    "the first case": (
        steps("""
- id: a
  type: branch
  config:
    cases:
    - {when: inputs.n > 100, steps: [{id: b, type: transform, config: {value: large}}]}
    - {when: inputs.n > 10, steps: [{id: c, type: transform, config: {value: some}}]}
    - {when: inputs.n.nothing, steps: [{id: d, type: transform, config: {value: never}}]}
""", inputs="{n: {}}", output='["${ steps.a.output }", "${ steps.b.status }", "${ steps.c.status }"]'),
        {"n": 50},
        ["some", "skipped", "completed"],
    ),
    "else": (
        steps("""
- id: a
  type: branch
  config: {cases: [{when: "false", steps: [{id: b, type: set}]}], else: [{id: c, type: transform, config: {value: 7}}]}
"""),
        {},
        7,
    ),
    "parallel": (
        steps("""
- id: a
  type: parallel
  config: {branches: {l: [{id: b, type: transform, config: {value: 1}}], r: [{id: c, type: greet, config: {whom: x}}]}}
"""),
        {},
        {"l": 1, "r": "hello x"},
    ),
    "a map": (
        steps("""
- {id: a, type: set, config: {plus: 1}}
- id: b
  type: map
  config:
    over: inputs.items
    as: number
    concurrency: 2
    steps:
    - {id: c, type: set, config: {x: "${ number + steps.a.output.plus }"}}
    - {id: d, type: transform, config: {value: "${ steps.c.output.x * 10 + index }"}}
""", inputs="{items: {}}"),
        {"items": [5, 6, 7, 8]},
        [60, 71, 82, 93],
    ),
    "a map over nothing": (steps('- {id: a, type: map, config: {over: "[]", steps: [{id: b, type: set}]}}'), {}, []),
    "a loop": (
        steps("""
- id: a
  type: loop
  config:
    while: round.index == 0 || round.last.b.output < 20
    limit: 10
    steps: [{id: b, type: transform, config: {value: "${ round.index == 0 ? 1 : round.last.b.output * 3 }"}}]
""", output='["${ steps.a.output }", "${ steps.b.output }"]'),
        {},
        [27, 27],
    ),
    "an error that is passed over": (
        steps("""
- {id: a, type: fail, on_error: continue, config: {until: 9, what: broken}}
- {id: b, type: transform, config: {value: "${ steps.a.status + ': ' + steps.a.error.type + ' ' + steps.a.error.message }"}}
"""),
        {},
        "failed: ConnectionError broken",
    ),
    "an error that is handled": (
        steps("""
- id: a
  type: fail
  config: {until: 9, what: broken}
  on_error:
    steps: [{id: b, type: transform, config: {value: "${ 'mended: ' + error.message }"}}]
""", output='["${ steps.a.status }", "${ steps.a.output }", "${ steps.b.status }"]'),
        {},
        ["failed", "mended: broken", "completed"],
    ),
    "an expression that gives nothing": (
        steps('- {id: a, type: set, on_error: continue, config: {x: "${ inputs.n.absent }"}}', inputs="{n: {}}", output=ERROR),
        {"n": {}},
        "ExpressionFailed",
    ),
    "a config that does not fit once it is known": (
        steps('- {id: a, type: greet, on_error: continue, config: {whom: x, times: "${ inputs.n }"}}', inputs="{n: {}}", output=ERROR),
        {"n": "many"},
        "Unfit",
    ),
    "attempts": (
        steps("- {id: a, type: fail, retry: {attempts: 3, first: 1ms}, config: {until: 3}}"),
        {},
        {"attempt": 3, "what": "not yet"},
    ),
    "a delay": (steps("- {id: a, type: delay, config: {for: 1ms}}\n- {id: b, type: transform, config: {value: awake}}"), {}, "awake"),
    "a wait that is over": (
        steps("- {id: a, type: wait_for_signal, timeout: 1ms, on_error: continue, config: {name: go}}", output=ERROR),
        {},
        "TimeoutError",
    ),
    "too long for all that is inside": (
        steps("""
- id: a
  type: parallel
  timeout: 1ms
  on_error: continue
  config: {branches: {x: [{id: b, type: delay, config: {for: 1h}}]}}
""", output=ERROR),
        {},
        "TimeoutError",
    ),
    "an approval nobody gave": (
        steps("- {id: a, type: wait_for_human, timeout: 1ms, config: {required: false}}", output="${ steps.a.output.outcome }"),
        {},
        "expired",
    ),
    "a loop without an end": (
        steps('- {id: a, type: loop, on_error: continue, config: {while: "true", limit: 2, steps: [{id: b, type: set}]}}', output=ERROR),
        {},
        "LimitReached",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
async def test_a_run_gives(name: str) -> None:
    text, inputs, expected = RUNS[name]

    assert await result(text, inputs) == expected


async def test_what_does_not_depend_runs_side_by_side() -> None:
    text = steps("""
- {id: a, type: wait_for_signal, config: {name: a}}
- {id: b, type: wait_for_signal, needs: [], config: {name: b}}
- {id: c, type: transform, needs: [b], config: {value: "${ steps.b.output }"}}
- {id: d, type: transform, needs: [a, c], config: {value: "${ steps.a.output + steps.c.output }"}}
""")
    async with serving() as runtime:
        run = await runtime.start_definition(text)
        await run.signal("b", 2)
        with anyio.fail_after(10):
            while (await run.query("steps")) != {"a": "running", "b": "completed", "c": "completed"}:
                await checkpoint()
        await run.signal("a", 1)

        assert await run.result(within=PATIENCE) == 3


async def test_an_approval_shows_what_its_expressions_gave_and_a_rejection_fails_the_step() -> None:
    text = steps('- {id: ship, type: wait_for_approval, config: {show: {order: "${ inputs.order }"}}}', inputs="{order: {}}")
    async with serving() as runtime:
        first, second = [await runtime.start_definition(text, {"order": order}) for order in ("o-1", "o-2")]
        for run in (first, second):
            await under_way(run, "ship")
        shown = [one.show for run in (first, second) for one in await run.approvals()]
        assert shown == [{"order": "o-1"}, {"order": "o-2"}]

        await first.approve("ship", by="Ada", why="in stock")
        await second.reject("ship", by="Bob", why="too dear")

        approved = await first.result(within=PATIENCE)
        assert (approved["outcome"], approved["by"], approved["why"]) == ("approved", "Ada", "in stock")
        with pytest.raises(RunError, match="NotApproved: 'ship' rejected by Bob: too dear"):
            await second.result(within=PATIENCE)


async def test_an_approval_has_the_policy_of_its_config() -> None:
    policy = "{users: ['${ inputs.who }'], roles: [clerk], quorum: 2, escalation: [{after: 4h, roles: [owner]}], at_end: reject}"
    text = steps(f"- {{id: ship, type: wait_for_approval, timeout: 2d, config: {{policy: {policy}}}}}", inputs="{who: {}}")
    async with serving() as runtime:
        run = await runtime.start_definition(text, {"who": "Ada"})
        await under_way(run, "ship")
        (asked,) = await run.approvals()
        await run.approve(asked, by="Ada")
        with pytest.raises(Refused):
            await run.approve(asked, by="Olga", roles=["owner"])
        await run.approve(asked, by="Carl", roles=["clerk"])
        told = await run.result(within=PATIENCE)

    assert (asked.users, asked.roles, asked.quorum, [one.roles for one in asked.escalates]) == (("Ada",), ("clerk",), 2, [("owner",)])
    assert [voice["by"] for voice in told["voices"]] == ["Ada", "Carl"]


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ("{users: [Ada], quorum: 2}", "$.steps[0].config.policy"),
        ("{escalation: [{after: soon, roles: [owner]}]}", "$.steps[0].config.policy"),
        ("{at_end: reject}", "$.steps[0].config.policy"),
        ("{rolls: [clerk]}", "$.steps[0].config.policy.rolls"),
    ],
)
async def test_a_policy_that_could_not_be_met_is_a_fault_of_the_definition(policy: str, path: str) -> None:
    async with serving() as runtime:
        told = await runtime.check_definition(steps(f"- {{id: ship, type: wait_for_human, config: {{policy: {policy}}}}}"))

    assert [fault.path for fault in told.faults] == [path]


@workflow
async def doubles(n: int) -> int:
    return 2 * n


async def test_code_and_definitions_are_called_as_children() -> None:
    inner = steps("- {id: a, type: transform, config: {value: '${ inputs.n + 1 }'}}", inputs="{n: {}}").replace("example", "inner")
    outer = steps("""
- {id: code, type: workflow, config: {workflow: doubles, arguments: ["${ inputs.n }"]}}
- {id: data, type: workflow, config: {definition: inner, inputs: {n: "${ steps.code.output }"}}}
""", inputs="{n: {}}")  # fmt: skip
    async with serving(doubles) as runtime:
        await runtime.apply_definition(inner)
        run = await runtime.start_definition(outer, {"n": 4}, id="outer")

        assert await run.result(within=PATIENCE) == 9
        assert [(line.run, line.workflow) for line in (await runtime.runs()).runs] == [
            ("outer", "perdure.definition"),
            ("outer/0.code/2", "doubles"),
            ("outer/0.data/2", "perdure.definition"),
        ]


async def test_a_failed_run_goes_on_from_the_step_that_failed() -> None:
    log = MemoryLog()
    text = steps("""
- {id: a, type: greet, config: {whom: once}}
- {id: b, type: fail, config: {until: 2}}
""")
    async with serving(log=log) as runtime:
        run = await runtime.start_definition(text, id="r")
        with pytest.raises(RunError, match="ConnectionError: not yet"):
            await run.result(within=PATIENCE)
        await run.retry()

        assert await run.result(within=PATIENCE) == {"attempt": 2, "what": "not yet"}
    assert events(log, "r").count("StepCompleted") == 2


async def test_cancelled_it_ends_and_its_children_with_it() -> None:
    inner = steps("- {id: a, type: wait_for_signal, config: {name: never}}").replace("example", "inner")
    async with serving() as runtime:
        await runtime.apply_definition(inner)
        run = await runtime.start_definition(steps("- {id: a, type: workflow, config: {definition: inner}}"), id="r")
        with anyio.fail_after(10):
            while len(found := (await runtime.runs()).runs) < 2:
                await checkpoint()
        await run.cancel("enough")
        with pytest.raises(RunError, match="cancelled"):
            await run.result(within=PATIENCE)
        child = next(line.run for line in found if line.run != "r")
        with pytest.raises(RunError, match="cancelled"):
            await runtime.run(child).result(within=PATIENCE)


async def test_a_run_keeps_the_version_that_it_began_with() -> None:
    text = steps("- {id: a, type: wait_for_signal, config: {name: go}}\n- {id: b, type: transform, config: {value: VALUE}}")
    async with serving() as runtime:
        await runtime.apply_definition(text.replace("VALUE", "first"))
        old = await runtime.start_definition("example")
        await runtime.apply_definition(text.replace("VALUE", "second"))
        new = await runtime.start_definition("example")
        again = await runtime.start_definition("example", version=1)
        await runtime.archive_definition("example", by="Ada", why="replaced")
        for run in (old, new, again):
            await run.signal("go")

        assert [await run.result(within=PATIENCE) for run in (old, new, again)] == ["first", "second", "first"]
        assert [line.attributes["definition_version"] for line in (await runtime.runs(where="definition = 'example'")).runs].count(1) == 2
        with pytest.raises(Refused, match="archived"):
            await runtime.start_definition("example")
        assert (await runtime.definitions()).definitions == []
        assert [line.archived for line in (await runtime.definitions(archived=True)).definitions] == [True]
        assert (await runtime.apply_definition(text)).version == 3


async def test_the_same_start_again_is_the_same_run() -> None:
    text = steps("- {id: a, type: transform, config: {value: '${ inputs.n }'}}", inputs="{n: {}}")
    async with serving() as runtime:
        first = await runtime.start_definition(text, {"n": 1}, id="r")
        await first.result(within=PATIENCE)
        again = await runtime.start_definition(text, {"n": 1}, id="r")

        assert await again.result(within=PATIENCE) == 1
        with pytest.raises(Refused):
            await runtime.start_definition(text, {"n": 2}, id="r")
        with pytest.raises(Invalid, match="one thing"):
            await runtime.start_definition("", {})


async def test_a_type_that_is_not_here_when_it_is_performed_fails_the_attempt_alone() -> None:
    log = MemoryLog()
    text = steps("- {id: a, type: wait_for_signal, config: {name: go}}\n- {id: b, type: greet, retry: {attempts: 1}, config: {whom: x}}")
    async with serving(log=log) as runtime:
        run = await runtime.start_definition(text, id="r")
        await under_way(run, "a")
    async with serving(log=log, epoch=2, known=Types()) as runtime:
        await runtime.run("r").signal("go")
        with pytest.raises(RunError, match="there is no such type of step here"):
            await runtime.run("r").result(within=PATIENCE)
    async with serving(log=log, epoch=3) as runtime:
        await runtime.run("r").retry()

        assert await runtime.run("r").result(within=PATIENCE) == "hello x"


