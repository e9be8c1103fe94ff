"""A definition of two hundred steps: a graph with branches, maps, loops, lists side by side, retries, handled errors and an approval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

INPUTS = {"items": [3, 1, 2], "limit": 4}


def large() -> str:
    """As JSON. Its steps stand in ten blocks of nineteen, each behind the one before; an approval is in the middle."""
    steps: list[Spec] = []
    for block in range(10):
        steps += _block(block, behind=steps[-1]["id"] if steps else None)
        if block == 4:
            steps.append({"id": "ship", "type": "wait_for_approval", "config": {"show": {"so_far": "${ steps.b4_end.output }"}}})
    steps += [_greet(f"last{i}", f"number {i}", needs=[steps[-1]["id"]] if i == 0 else [f"last{i - 1}"]) for i in range(9)]
    output = {"last": "${ steps.last8.output }", "blocks": [f"${{ steps.b{block}_end.output }}" for block in range(10)]}
    return json.dumps({"name": "large", "inputs": {"items": {}, "limit": {}}, "steps": steps, "output": output}, indent=1)


def count(text: str) -> int:
    """How many steps a definition has, those inside others among them."""
    return sum(1 for _ in _all(json.loads(text)))


def _all(plain: Any) -> Iterator[Spec]:
    if isinstance(plain, dict):
        if {"id", "type"} <= plain.keys():  # pyright: ignore[reportUnknownMemberType]
            yield plain
        for part in plain.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _all(part)
    elif isinstance(plain, list):
        for part in plain:  # pyright: ignore[reportUnknownVariableType]
            yield from _all(part)


def _block(n: int, behind: str | None) -> list[Spec]:
    """Nineteen steps, most of them side by side."""
    p = f"b{n}_"
    first = [behind] if behind else []
    return [
        {"id": p + "set", "type": "set", "needs": first, "config": {"n": f"${{ size(inputs.items) + {n} }}"}},
        _greet(p + "left", "left", needs=first),
        {**_greet(p + "right", "${ string(steps." + p + "set.output.n) }", needs=[p + "set"]), "retry": {"attempts": 3, "first": "1ms"}},
        {
            "id": p + "branch", "type": "branch", "needs": [p + "set", p + "left"],
            "config": {
                "cases": [
                    {"when": f"steps.{p}set.output.n % 2 == 0", "steps": [_greet(p + "even", "even"), _greet(p + "even2", "more")]},
                    {"when": f"steps.{p}set.output.n > 7", "steps": [_greet(p + "odd", "odd")]},
                ],
                "else": [_greet(p + "else", "small")],
            },
        },
        {
            "id": p + "map", "type": "map", "needs": [p + "set"],
            "config": {
                "over": f"inputs.items.map(i, i + steps.{p}set.output.n)", "concurrency": 2,
                "steps": [
                    _greet(p + "each", "item ${ item }"),
                    {"id": p + "when", "type": "transform", "when": "item % 2 == 0", "config": {"value": "${ item * index }"}},
                ],
            },
        },
        {
            "id": p + "side", "type": "parallel", "needs": [p + "left"],
            "config": {"branches": {"x": [_greet(p + "x", "x")], "y": [_greet(p + "y", "y"), _greet(p + "y2", "y2")]}},
        },
        {
            "id": p + "loop", "type": "loop", "needs": [p + "side"],
            "config": {"while": "round.index < 2", "limit": 3, "steps": [_greet(p + "round", "round ${ round.index }")]},
        },
        {
            "id": p + "fail", "type": "fail", "needs": [p + "right"], "config": {"until": 9},
            "on_error": {"steps": [_greet(p + "mended", "${ error.message }")]},
        },
        {
            "id": p + "end", "type": "set", "needs": [p + "branch", p + "map", p + "loop", p + "fail"],
            "config": {name: f"${{ steps.{p}{name}.output }}" for name in ("branch", "map", "fail")},
        },
    ]  # fmt: skip


def _greet(id: str, whom: str, needs: list[str] | None = None) -> Spec:
    spec: Spec = {"id": id, "type": "greet", "config": {"whom": whom}}
    return spec if needs is None else {**spec, "needs": needs}
