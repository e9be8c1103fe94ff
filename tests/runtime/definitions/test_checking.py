"""Checking: what cannot run is refused before it is kept, all of it at once, with path, line and what to do."""

from __future__ import annotations

import json

import pytest

from perdure import step
from perdure.eventlog.errors import Invalid
from perdure.runtime.definitions.checking import bound_or_raise, check_text, inputs_for
from perdure.runtime.definitions.model import Reads
from perdure.runtime.definitions.types import Types
from tests.runtime.definitions.describing import faults, steps, types

LOG = "{id: a, type: log, config: {message: hi}}"

WRONG = {
    "no name": ("steps: [" + LOG + "]", "$", "name nothing"),
    "a step without a type": (steps("- {id: a}"), "$.steps[0]", "type nothing"),
    "no steps": ("name: a\nsteps: []", "$.steps", "length >= 1"),
    "a list": ("- 1", "$", "object"),
    "a name with a slash": ("name: a/b\nsteps: [" + LOG + "]", "$.name", "regex"),
    "an unknown field": ("name: a\nstep: []\nsteps: [" + LOG + "]", "$.step", "step"),
    "an unknown field of a step": (steps("- {id: a, type: log, confg: {message: hi}}"), "$.steps[0].confg", "confg"),
    "an unknown type": (steps("- {id: a, type: lg}"), "$.steps[0].type", "'lg'"),
    "an unknown field of a config": (steps("- {id: a, type: log, config: {message: hi, lvl: info}}"), "$.steps[0].config.lvl", "lvl"),
    "a missing field of a config": (steps("- {id: a, type: greet}"), "$.steps[0].config", "nothing"),
    "a config of the wrong type": (steps("- {id: a, type: greet, config: {whom: x, times: many}}"), "$.steps[0].config.times", "str"),
    "a bad id": (steps("- {id: a-b, type: set}"), "$.steps[0].id", "regex"),
    "an id twice": (steps("- {id: a, type: set}\n- {id: a, type: set}"), "$.steps[1].id", "'a'"),
    "an unknown need": (steps("- {id: a, type: set}\n- {id: b, type: set, needs: [c]}"), "$.steps[1].needs[0]", "'c'"),
    "a circle": (steps("- {id: a, type: set, needs: [b]}\n- {id: b, type: set, needs: [a]}"), "$.steps[0]", "a, b"),
    "a broken condition": (steps("- {id: a, type: set, when: 1 +}"), "$.steps[0].when", "Syntax"),
    "a condition in braces": (steps('- {id: a, type: set, when: "${ true }"}'), "$.steps[0].when", "Syntax"),
    "a broken template": (steps('- {id: a, type: set, config: {x: "${ 1"}}'), "$.steps[0].config.x", "no }"),
    "a step not there": (steps('- {id: a, type: set, config: {x: "${ steps.b.output }"}}'), "$.steps[0].config.x", "steps.b"),
    "a step side by side": (
        steps('- {id: a, type: set}\n- {id: b, type: set, needs: [], config: {x: "${ steps.a.output }"}}'),
        "$.steps[1].config.x",
        "steps.a, at $.steps[0]",
    ),
    "a step in a map": (
        steps('- {id: m, type: map, config: {over: "[1]", steps: [{id: a, type: set}]}}\n- {id: b, type: set, when: steps.a.output == 1}'),
        "$.steps[1].when",
        "steps.a",
    ),
    "an item outside": (steps("- {id: a, type: set, when: item == 1}"), "$.steps[0].when", "'item'"),
    "a name that is taken": (
        steps('- {id: m, type: map, config: {over: "[1]", as: inputs, steps: [{id: a, type: set}]}}'), "$.steps[0].config.as", "inputs"
    ),
    "a bad duration": (steps("- {id: a, type: delay, config: {for: soon}}"), "$.steps[0].config.for", "'soon'"),
    "more days than there are": (
        steps('- {id: a, type: delay, config: {for: "999999999999d"}}'), "$.steps[0].config.for", "'999999999999d'"
    ),
    "a limit by an expression": (
        steps('- {id: a, type: loop, config: {while: "true", limit: "${ 1 + 1 }", steps: [{id: b, type: set}]}}'),
        "$.steps[0].config.limit", "int",
    ),
    "a name by an expression": (
        steps('- {id: m, type: map, config: {over: "[1]", as: "${ 1 }", steps: [{id: a, type: set}]}}'), "$.steps[0].config.as", "regex"
    ),
    "a condition that gives a number": (steps("- {id: a, type: set, when: 1 + 2}"), "$.steps[0].when", "always int"),
    "a case that gives a text": (
        steps("- {id: a, type: branch, config: {cases: [{when: \"'x'\", steps: [{id: b, type: set}]}]}}"),
        "$.steps[0].config.cases[0].when", "always string",
    ),
    "a loop while a list": (
        steps('- {id: a, type: loop, config: {while: "[1]", limit: 2, steps: [{id: b, type: set}]}}'),
        "$.steps[0].config.while", "always list",
    ),
    "a map over a number": (
        steps('- {id: a, type: map, config: {over: "3", steps: [{id: b, type: set}]}}'), "$.steps[0].config.over", "always int"
    ),
    "an input that is not declared": (
        steps('- {id: a, type: set, config: {x: "${ inputs.ordr }"}}', inputs="{order: {}}"), "$.steps[0].config.x", "inputs.ordr"
    ),
    "an input where there are none": (steps("- {id: a, type: set, when: \"inputs['t'] == 1\"}"), "$.steps[0].when", "inputs.t"),
    "what a run does not have": (steps("- {id: a, type: set}", output='"${ run.foo }"'), "$.output", "run.foo"),
    "what a result does not have": (
        steps("- {id: a, type: set}\n- {id: b, type: set, when: steps.a.outptu == 1}"), "$.steps[1].when", "steps.a.outptu"
    ),
    "what an error does not have": (
        steps('- {id: a, type: set, on_error: {steps: [{id: b, type: log, config: {message: "${ error.text }"}}]}}'),
        "$.steps[0].on_error.steps[0].config.message", "error.text",
    ),
    "an argument too few": (
        steps("- {id: a, type: python, config: {step: charge}}"), "$.steps[0].config.arguments", "missing a required argument: 'bill'"
    ),
    "an argument by a wrong name": (
        steps('- {id: a, type: python, config: {step: charge, arguments: {bil: "${ run.id }"}}}'), "$.steps[0].config.arguments", "bill"
    ),
    "an argument of the wrong type": (
        steps("- {id: a, type: python, config: {step: charge, arguments: {bill: {order: o, cents: many}}}}"),
        "$.steps[0].config.arguments.bill.cents", "int str",
    ),
    "an argument of the wrong type by its place": (
        steps("- {id: a, type: python, config: {step: charge, arguments: [7]}}"), "$.steps[0].config.arguments[0]", "object int"
    ),
    "a secret as an argument": (
        steps('- {id: a, type: python, config: {step: charge, arguments: {bill: "${ run.id }", currency: {secret: X}}}}'),
        "$.steps[0].config.arguments.currency", "str object",
    ),
    "no time at all": (steps("- {id: a, type: greet, timeout: 0, config: {whom: x}}"), "$.steps[0].timeout", "0"),
    "retry of what is not attempted": (steps("- {id: a, type: set, retry: {}}"), "$.steps[0].retry", "set"),
    "no attempts": (steps("- {id: a, type: greet, config: {whom: x}, retry: {attempts: 0}}"), "$.steps[0].retry.attempts", ">= 1"),
    "an unknown step of code": (steps("- {id: a, type: python, config: {step: chrge}}"), "$.steps[0].config.step", "'chrge'"),
    "a call of two": (steps("- {id: a, type: workflow, config: {workflow: x, definition: y}}"), "$.steps[0].config", "workflow, def"),
    "a loop without a limit": (
        steps('- {id: a, type: loop, config: {while: "true", steps: [{id: b, type: set}]}}'), "$.steps[0].config", "while"
    ),
    "a default of another type": ("name: a\ninputs: {n: {type: integer, default: x}}\nsteps: [" + LOG + "]", "$.inputs.n.default", "str"),
    "a broken output": (steps("- {id: a, type: set}", output='"${ steps.b.output }"'), "$.output", "steps.b"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_run_says_where_and_what_to_do(name: str) -> None:
    text, path, found = WRONG[name]
    told = faults(text)

    assert [fault.path for fault in told] == [path]
    assert found in f"{told[0].expected} {told[0].found}"
    assert told[0].line > 0
    assert told[0].instead


def test_all_faults_are_told_with_their_lines_in_the_order_of_the_text() -> None:
    text = steps("""
- id: a
  type: lg
- id: b
  type: greet
  config: {whom: 1, times: x}
  when: nope
- id: c
  type: branch
  config:
    cases:
    - when: steps.z.output
      steps:
      - {id: d, type: delay, config: {for: -1}}
""")
    told = [(fault.line, fault.path) for fault in faults(text)]

    assert told == [
        (5, "$.steps[0].type"),
        (8, "$.steps[1].config.whom"),
        (8, "$.steps[1].config.times"),
        (9, "$.steps[1].when"),
        (14, "$.steps[2].config.cases[0].when"),
        (16, "$.steps[2].config.cases[0].steps[0].config.for"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        steps("- {id: a, type: set, when: has(inputs.x) && inputs.x == 1}"),
        steps("- {id: a, type: set, when: '[{\"y\": 1}].exists(inputs, inputs.y == 1)'}"),
        steps("- {id: a, type: set, when: inputs.x}", inputs="{x: {}}"),
        steps('- {id: a, type: map, config: {over: "inputs.x", steps: [{id: b, type: set}]}}', inputs="{x: {}}"),
        steps('- {id: a, type: set, config: {x: "${ run.id + run.definition + string(run.version) }"}}'),
        steps('- {id: a, type: python, config: {step: charge, arguments: {bill: {order: "${ run.id }", cents: 1}}}}'),
        steps('- {id: a, type: python, config: {step: charge, arguments: "${ [] }"}}'),
    ],
)
def test_what_may_be_right_once_it_runs_is_no_fault(text: str) -> None:
    assert faults(text) == []


def test_faults_of_form_hide_no_others() -> None:
    text = """name: all at once
steps:
- {id: "x y", type: set}
- {id: b, type: foo, needs: ["x y"]}
- {id: c, type: log}
- {id: d, type: log, fo: bar, config: {message: hi}}
- {id: e, type: greet, config: {whom: x}, on_error: ignore, retry: {attempts: many}}
- {id: f, type: branch, config: {cases: [{when: nope, steps: [{id: g, typ: log, config: {}}]}], els: []}}
- {id: h, type: set, needs: [1]}
- 7
- {id: i, config: {x: "${ nope }"}}
outputs: 1
"""
    assert [(fault.line, fault.path, fault.expected) for fault in faults(text)] == [
        (1, "$.name", "str matching regex '^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$'"),
        (3, "$.steps[0].id", "str matching regex '^[A-Za-z_][A-Za-z0-9_]{0,59}$'"),
        (4, "$.steps[1].type", faults(steps("- {id: a, type: foo}"))[0].expected),
        (5, "$.steps[2].config", "message, level, fields"),
        (6, "$.steps[3].fo", "id, type, name, config, when, needs, retry, timeout, on_error"),
        (7, "$.steps[4].on_error", "one of 'continue', 'fail'"),
        (7, "$.steps[4].retry.attempts", "int"),
        (8, "$.steps[5].config.cases[0].steps[0].typ", "id, type, name, config, when, needs, retry, timeout, on_error"),
        (8, "$.steps[5].config.els", "cases, else"),
        (8, "$.steps[5].config.cases[0].when", "an expression in CEL"),
        (8, "$.steps[5].config.cases[0].steps[0].config", "message, level, fields"),
        (9, "$.steps[6].needs[0]", "str"),
        (10, "$.steps[7]", "object"),
        (11, "$.steps[8]", "type"),
        (11, "$.steps[8].config.x", "an expression in CEL"),
        (12, "$.outputs", "name, steps, description, inputs, output, tags"),
    ]


def test_what_cannot_be_mended_is_told_once() -> None:
    assert [fault.path for fault in faults("name: a\ninputs: {n: {typ: string}}\nsteps: [7, 8]")] == ["$.inputs[...].typ"]
    assert [fault.path for fault in faults("name: a\nsteps: {}")] == ["$.steps"]
    assert [fault.path for fault in faults("- 1")] == ["$"]


def test_a_refusal_tells_all_places() -> None:
    with pytest.raises(Invalid) as refused:
        bound_or_raise(steps("- {id: a, type: lg}\n- {id: b, type: gret}"), types())

    assert refused.value.message == "there is no such type of step (and 1 more fault)"
    assert refused.value.where == "line 4, $.steps[0].type; line 5, $.steps[1].type"


def test_what_expressions_read_is_found_out_once() -> None:
    bound = bound_or_raise(
        steps("""
- {id: a, type: set, config: {x: "${ inputs.n }"}}
- {id: b, type: greet, config: {whom: plain}}
- {id: c, type: loop, when: steps.b.status == 'x', config: {while: round.index < steps.a.output.x, limit: 3, steps: [{id: d, type: set}]}}
""", inputs="{n: {}}", output='"${ steps.d.status }"'), types()
    )  # fmt: skip

    assert bound.reads == {
        "a": Reads([], ["inputs"]),
        "c": Reads(["b"]),
        "c/while": Reads(["a"], ["round"]),
        "/output": Reads(["d"]),
    }


@pytest.mark.parametrize("name", [line.name for line in Types().lines()])
def test_the_example_of_every_core_type_passes(name: str) -> None:
    """As far as the types go: the code and the inputs that it names are not here."""
    example = next(line for line in Types().lines() if line.name == name)
    text = json.dumps({
        "name": "a",
        "inputs": {"order": {}, "cents": {}, "items": {}},
        "steps": [{"id": "one", "type": name, "config": example.example}],
    })

    async def charge(order: str, cents: int) -> None: ...

    assert check_text(text, Types(steps=[step(charge)])).faults == []
    assert example.config_schema


@pytest.mark.parametrize(
    ("given", "where"),
    [({}, "$.order"), ({"order": 1}, "$.order"), ({"order": "o", "ordr": 1}, "$.ordr"), ({"order": "o", "size": "XL"}, "$.size")],
)
def test_inputs_are_held_to_what_the_definition_asks_for(given: dict[str, object], where: str) -> None:
    known = bound_or_raise(
        steps("- {id: a, type: set}", inputs="{order: {type: string}, size: {enum: [S, M], default: M}}"), types()
    ).definition

    with pytest.raises(Invalid) as refused:
        inputs_for(known, given)

    assert refused.value.where == where
    assert inputs_for(known, {"order": "o"}) == {"order": "o", "size": "M"}
