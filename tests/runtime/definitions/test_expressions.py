"""Expressions and templates: what they give, what they may name, and that they cannot reach Python."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.runtime.definitions import expressions
from perdure.runtime.definitions.expressions import Fails, evaluate, fault_in, reads
from perdure.runtime.definitions.model import Reads
from perdure.runtime.definitions.templates import filled

SCOPE: dict[str, Any] = {
    "inputs": {"n": 2, "x": 1.5, "name": "Ada", "items": [1, 2, 3], "map": {"b": 1, "a": 2}, "none": None},
    "steps": {"fetch": {"status": "completed", "output": {"cents": 1200}}},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.n + 1", 3),
        ("inputs.x * 2.0", 3.0),
        ("steps.fetch.output.cents > 1000", True),
        ("inputs.items.map(i, i * inputs.n)", [2, 4, 6]),
        ("inputs.items.filter(i, i > 1)", [2, 3]),
        ("has(inputs.absent)", False),
        ("inputs.none == null", True),
        ("keys(inputs.map)", ["a", "b"]),
        ("keys(inputs.map).map(k, inputs.map[k])", [2, 1]),
        ("{'a': inputs.name}", {"a": "Ada"}),
        ("inputs.name.lowerAscii() + '!'", "ada!"),
        ("math.greatest(1, inputs.n)", 2),
    ],
)
def test_an_expression_gives_plain_data(source: str, value: Any) -> None:
    assert evaluate(source, SCOPE) == value


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("inputs.absent", "has(x.y)"),
        ("inputs.n * 1.5", "double(x)"),
        ("1 / 0", "divide by zero"),
        ("inputs.items[9]", "index=9"),
        ("inputs.__class__", "Key not found"),
        ("timestamp('2024-01-01T00:00:00Z')", "string("),
        ("duration('5s')", "string("),
        ("{1: 2}", "keys of a JSON object are texts"),
        ("inputs.items.exists(a, inputs.items.exists(b, a + b == -1))", "budget"),
        ("inputs.items.map(a, " * 9 + "1" + ")" * 9, "MB on its way"),
    ],
)
def test_one_that_gives_no_value_says_why(source: str, told: str) -> None:
    scope = {"inputs": SCOPE["inputs"] | {"items": list(range(120))}} if told in {"budget", "MB on its way"} else SCOPE

    with pytest.raises(Fails, match=told.replace("(", r"\(").replace(")", r"\)")):
        evaluate(source, scope)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("__import__('os').system('true')", "undeclared reference to '__import__'"),
        ("open('/etc/passwd')", "undeclared reference to 'open'"),
        ("nope + 1", "undeclared reference to 'nope'"),
        ("1 +", "Syntax error"),
        ("${ inputs.n }", "Syntax error"),
        ("1 + 'a'", "no matching overload"),
        ("steps['fetch']", "steps without the name of a step"),
        ("1" * 4001, "4001 characters"),
        ("(" * 100 + "1" + ")" * 100, "recursion limit"),
    ],
)
def test_what_cannot_be_evaluated_is_known_before(source: str, found: str) -> None:
    wrong = fault_in(source, frozenset(SCOPE))

    assert wrong is not None
    assert found in wrong.found
    assert wrong.instead


def test_what_an_expression_reads_is_known_before() -> None:
    assert reads("steps.a.output + steps . b.output + 'steps.c' + inputs.steps.d + size(item)") == Reads(["a", "b"], ["inputs", "item"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${ inputs.n }", 2),
        ("${inputs.items}", [1, 2, 3]),
        ("order ${ inputs.n } for ${ inputs.name }", "order 2 for Ada"),
        ("${ inputs.none }-${ inputs.x }-${ inputs.map }", '-1.5-{"a":2,"b":1}'),
        ("$${ inputs.n }", "${ inputs.n }"),
        ("${ {'a': {'b': '}'}} }", {"a": {"b": "}"}}),
        ("a $${b} ${ inputs.n }", "a ${b} 2"),
    ],
)
def test_a_text_is_filled(text: str, value: Any) -> None:
    assert filled({"deep": [text]}, lambda source: expressions.evaluate(source, SCOPE)) == {"deep": [value]}
