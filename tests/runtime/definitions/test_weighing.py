"""How much expressions may produce: what grows is refused before it is evaluated, and what people write is not."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.runtime.definitions import expressions, syntax, weighing
from perdure.runtime.definitions.expressions import Fails, evaluate, fault_in
from perdure.runtime.definitions.weighing import Scale
from tests.runtime.definitions.describing import faults, steps

NAMES = frozenset({"inputs"})
ITEMS: list[dict[str, Any]] = [{"name": f"item {i}", "tags": ["a", "b"], "cents": i, "deep": {"x": "y" * (i % 50)}} for i in range(300)]
SCOPE = {"inputs": {"n": 7, "text": "abcabc" * 50, "items": ITEMS, "map": {f"k{i}": "v" * i for i in range(60)}, "csv": "a,b;" * 300}}

GROWS = {
    "texts replaced by longer ones": "'aaaaaaaaaa'" + ".replace('a','aaaaaaaaaa')" * 9,
    "texts put between all letters": "'aaaaaaaaaa'" + ".replace('','aaaaaaaaaa')" * 9,
    "texts doubled": "['aaaaaaaaaa']" + ".map(a,a+a)" * 30,
    "lists doubled": "[['a']]" + ".map(a,a+a+a)" * 26,
    "lists within lists": "['a']" + ".map(a,[a,a])" * 30,
    "maps within maps": "['a']" + ".map(a,{'x': a, 'y': a})" * 30,
    "trees compared": "['a']" + ".map(a,[a,a])" * 24 + ".map(a, a == a)",
    "joined by themselves": "['aaaaaaaaaa']" + ".map(a,[a,a,a,a,a,a].join(a))" * 12,
    "formatted": "['aaaaaaaaaa']" + ".map(a,'%s%s%s%s%s'.format([a,a,a,a,a]))" * 14,
    "quoted": "['\\\\']" + ".map(a,strings.quote(strings.quote(a)))" * 20,
    "one of two": "['aaaaaaaaaa']" + ".map(a,true ? a+a : a)" * 30,
}


@pytest.mark.parametrize("name", GROWS)
def test_what_grows_by_itself_is_a_fault_with_its_place(name: str) -> None:
    source = GROWS[name]
    wrong = fault_in(source, NAMES)

    assert wrong is not None
    assert "MB on its way" in wrong.found
    assert "let it grow less" in wrong.instead
    with pytest.raises(Fails, match="MB on its way"):
        evaluate(source, SCOPE)


def test_a_definition_that_grows_is_not_applied() -> None:
    (fault,) = faults(steps(f'- {{id: a, type: set, config: {{x: "${{ {GROWS["texts doubled"]} }}"}}}}'))

    assert (fault.path, fault.line) == ("$.steps[0].config.x", 4)
    assert "64 are the most" in fault.found


@pytest.mark.parametrize(
    ("source", "scope"),
    [
        ("inputs.a + inputs.a + inputs.a + inputs.a + inputs.a", {"a": "x" * 15_000_000}),
        ("inputs.a.map(x, inputs.b)", {"a": [1] * 5000, "b": "x" * 20_000}),
        ("inputs.a.map(x, inputs.a.map(y, inputs.b))", {"a": [1] * 90, "b": "x" * 20_000}),
        ("inputs.a.replace('x', inputs.a)", {"a": "x" * 20_000}),
        ("inputs.a.join(inputs.b)", {"a": ["x"] * 5000, "b": "x" * 20_000}),
    ],
)
def test_what_grows_by_its_data_fails_before_it_is_evaluated(source: str, scope: dict[str, Any]) -> None:
    assert fault_in(source, NAMES) is None
    with pytest.raises(Fails, match="have a step that is code do it"):
        evaluate(source, {"inputs": scope})


@pytest.mark.parametrize(
    "source",
    [
        "inputs.items",
        "inputs.items.map(i, i.name)",
        "inputs.items.filter(i, i.cents > 100).map(i, {'name': i.name, 'x': i.deep.x})",
        "inputs.items.filter(i, i.tags.exists(t, t == 'b')).map(i, i.name).join(', ')",
        "inputs.items.map(i, i.tags.map(t, t + '-' + i.name))",
        "inputs.items.map(i, inputs.items[0].deep)",
        "keys(inputs.map).map(k, inputs.map[k])",
        "inputs.map.map(k, k + inputs.map[k])",
        "inputs.csv.split(';').map(p, p.split(',').map(q, q.trim()))",
        "inputs.csv.split(',').join('--')",
        "inputs.text.replace('a', 'xyz').replace('', '-').upperAscii()",
        "'%s of %d: %s'.format([inputs.text, inputs.n, inputs.items[3].name])",
        "inputs.n > 3 ? [inputs.text] + ['x'] : []",
        "[inputs.text, inputs.text].map(a, a + a).map(a, [a, a])",
        "inputs.items.all(i, i.cents >= 0) && inputs.items.exists_one(i, i.cents == 5)",
        "{'a': inputs.items.size(), 'b': string(inputs.n) + inputs.text.substring(3)}",
        "math.greatest(inputs.n, 3) + size(inputs.text) * 2 - 1",
        "has(inputs.absent) ? inputs.absent : inputs.map.k5",
        "strings.quote(inputs.text)",
    ],
)
def test_what_people_write_is_evaluated_and_is_no_larger_than_it_was_weighed(source: str) -> None:
    assert fault_in(source, NAMES) is None
    given = evaluate(source, SCOPE)

    scale = Scale()
    tree = expressions._tree(source, NAMES)[0]  # pyright: ignore[reportPrivateUsage]
    weighed, work = scale.of(tree, {name: scale.known(value) for name, value in SCOPE.items()})
    assert Scale().total(given) <= weighed.total
    assert work < weighing.AT_MOST // 4


def test_weighing_itself_comes_to_an_end() -> None:
    wrong = fault_in("inputs.map(a, " * 20 + "1" + ")" * 20, NAMES)

    assert wrong is not None
    assert "rounds within rounds" in wrong.found


def test_the_tree_is_that_of_the_library() -> None:
    tree = expressions._tree("has(inputs.a) ? inputs.b['x'].size() : -1", NAMES)[0]  # pyright: ignore[reportPrivateUsage]

    inputs = syntax.Name("inputs")
    index = syntax.Call("_[_]", [syntax.Field(inputs, "b", asked=False), syntax.Constant("x")])
    assert tree == syntax.Call("_?_:_", [
        syntax.Field(inputs, "a", asked=True), syntax.Call("size", [index]), syntax.Constant(number=2**64 - 1),
    ])  # fmt: skip
