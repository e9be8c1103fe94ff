"""Runs of workflows that are data: each definition exercises other types of steps, over the steps and workflows of the corpus."""

from __future__ import annotations

from typing import Any

from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.definitions.checking import check_text
from perdure.runtime.definitions.finding import Found, Wanted
from perdure.runtime.definitions.interpreter import Interpreter
from perdure.runtime.definitions.model import Bound
from perdure.runtime.definitions.types import Types
from tests.corpus import families, steps

LINE = """
name: line
inputs: {n: {type: integer}}
steps:
- {id: start, type: set, config: {twice: "${ inputs.n * 2 }", word: plain}}
- {id: sum, type: python, config: {step: add, arguments: ["${ steps.start.output.twice }", 1]}}
- {id: squared, type: python, config: {step: square, arguments: {n: "${ steps.sum.output }"}}}
- {id: told, type: log, config: {message: "${ steps.squared.output } of ${ inputs.n }"}}
- {id: kept, type: transform, config: {value: {of: "${ inputs.n }", is: "${ steps.squared.output }"}}}
"""

GRAPH = """
name: graph
steps:
- {id: a, type: python, needs: [], config: {step: add, arguments: [1, 1]}}
- {id: b, type: python, needs: [], config: {step: add, arguments: [2, 2]}}
- {id: c, type: python, needs: [a, b], config: {step: add, arguments: ["${ steps.a.output }", "${ steps.b.output }"]}}
- {id: d, type: python, needs: [a], config: {step: square, arguments: ["${ steps.a.output }"]}}
- {id: nap, type: delay, needs: [b], config: {for: 2h}}
- id: both
  type: parallel
  needs: [c, d, nap]
  config:
    branches:
      left: [{id: l, type: python, config: {step: say, arguments: ["left ${ steps.c.output }"]}}]
      right: [{id: r, type: python, config: {step: say, arguments: ["right ${ steps.d.output }"]}}]
"""

CHOICES = """
name: choices
inputs: {n: {type: integer}}
steps:
- id: which
  type: branch
  config:
    cases:
    - {when: inputs.n > 100, steps: [{id: much, type: python, config: {step: say, arguments: [much]}}]}
    - {when: inputs.n > 10, steps: [{id: some, type: python, config: {step: say, arguments: [some]}}]}
    else: [{id: few, type: python, config: {step: say, arguments: [few]}}]
- {id: never, type: python, when: steps.much.status == "completed", config: {step: say, arguments: [never]}}
- id: again
  type: loop
  config:
    while: "round.index == 0 || round.last.next.output < 50"
    limit: 10
    steps: [{id: next, type: python, config: {step: add, arguments: ["${ round.index == 0 ? inputs.n : round.last.next.output }", 15]}}]
output: {which: "${ steps.which.output }", never: "${ steps.never.status }", again: "${ steps.again.output }"}
"""

EACH = """
name: each
inputs: {items: {type: array}}
steps:
- id: all
  type: map
  config:
    over: inputs.items
    as: n
    concurrency: 2
    steps:
    - {id: s, type: python, config: {step: square, arguments: ["${ n }"]}}
    - {id: t, type: python, when: "index % 2 == 0", config: {step: add, arguments: ["${ steps.s.output }", "${ index }"]}}
output: "${ steps.all.output }"
"""

TROUBLE = """
name: trouble
steps:
- {id: tried, type: python, retry: {attempts: 4, first: 30, jitter: 0}, config: {step: flaky, arguments: [3]}}
- id: handled
  type: python
  on_error:
    steps: [{id: undone, type: python, config: {step: undo, arguments: ["${ error.message }"]}}]
  config: {step: fail, arguments: [no car]}
- {id: passed, type: python, on_error: continue, config: {step: fail, arguments: [no matter]}}
output: ["${ steps.tried.output }", "${ steps.handled.output }", "${ steps.passed.error.type }"]
"""

ASKED = """
name: asked
steps:
- {id: word, type: wait_for_signal, config: {name: word}}
- {id: late, type: wait_for_signal, timeout: 1h, on_error: continue, config: {name: nothing}}
- {id: ship, type: wait_for_approval, config: {show: {word: "${ steps.word.output }"}}}
- {id: drop, type: wait_for_human, config: {required: false}}
output: ["${ steps.word.output }", "${ steps.late.status }", "${ steps.ship.output.by }", "${ steps.drop.output.outcome }"]
"""

PARENT = """
name: parent
steps:
- {id: one, type: workflow, needs: [], config: {workflow: pupil, arguments: [2]}}
- {id: two, type: workflow, needs: [], config: {workflow: pupil, arguments: {n: 3}}}
- {id: bad, type: workflow, needs: [one, two], on_error: continue, config: {workflow: rebel, arguments: [not me]}}
output: ["${ steps.one.output }", "${ steps.two.output }", "${ steps.bad.status }"]
"""

BROKEN = """
name: broken
steps:
- {id: a, type: python, needs: [], config: {step: fail, arguments: [broken]}}
- {id: b, type: delay, needs: [], config: {for: 7d}}
"""

TYPES = Types(steps=[steps.add, steps.square, steps.say, steps.undo, steps.flaky, steps.fail])


async def _find(wanted: Wanted) -> Found:
    """What is not performed here: the runtime that plays a run has a `find` of its own."""
    raise AssertionError(wanted)


INTERPRETER = Interpreter(TYPES, _find)
INTERPRETER.registry = Registry([families.pupil, families.rebel], INTERPRETER.workflow)
WORKFLOWS: list[Workflow[..., Any]] = [INTERPRETER.workflow]


def bound(text: str) -> Bound:
    """What is the first argument of a run: the definition with what its expressions name."""
    checked = check_text(text, TYPES)
    assert checked.bound is not None, checked.faults
    return checked.bound
