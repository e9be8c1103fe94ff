"""Reading definitions: YAML says what JSON can say and nothing else, and every part knows its line."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.eventlog.errors import Invalid
from perdure.runtime.definitions.reading import TEXT_BYTES_MAX, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -7", {"a": -7}),
        ("a: 1.5e3", {"a": 1500.0}),
        ("a: true", {"a": True}),
        ("a:", {"a": None}),
        ("a: ~", {"a": None}),
        ("a: yes", {"a": "yes"}),
        ("a: no", {"a": "no"}),
        ("on: off", {"on": "off"}),
        ("a: 12:30:45", {"a": "12:30:45"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: '1'", {"a": "1"}),
        ('a: "${ b }"', {"a": "${ b }"}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: {b: [1, 2]}", {"a": {"b": [1, 2]}}),
        ("1: a", {"1": "a"}),
        ('{"a":\t[1, "b\\u00e9"]}', {"a": [1, "bé"]}),
    ],
)
def test_a_text_is_read_as_what_it_looks_like(text: str, value: Any) -> None:
    assert read(text)[0] == value


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("", "the text is empty", "line 1"),
        ("a: [1", "the text is no YAML", "line 2"),
        ("a: 1\na: 2", "a key is a text, and is there once", "line 2"),
        ("[1]: 2", "a key is a text, and is there once", "line 1"),
        ("a: &x 1\nb: *x", "a definition has no anchors and aliases", "line 1"),
        ("b: *x", "a definition has no anchors and aliases", "line 1"),
        ("a: !!python/object:os.system 1", "a definition has no tags", "line 1"),
        ("a: !!set {b}", "a definition has no tags", "line 1"),
        ("a: 1\n---\nb: 2", "one text holds one definition", "line 2"),
        ("a: 1e999", "JSON has no such number", "line 1"),
        ("a: " + "[" * 70 + "]" * 70, "the text is nested too deeply", "line 1"),
        ('{"a":\n\n 1,}', "the text is no JSON", "line 3"),
        ('{"a": ' + "[" * 70 + "]" * 70 + "}", "the data is nested too deeply", "$"),
        ("#" * (TEXT_BYTES_MAX + 1), "the text of a definition is too large", ""),
    ],
)
def test_what_cannot_be_read_says_where(text: str, message: str, where: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)

    assert (refused.value.message, refused.value.where) == (message, where)
    assert refused.value.instead


YAML = "name: a\nsteps:\n- id: b\n  config:\n    c:\n    - 1\n    - 2\n"
JSON = '{"name": "a",\n"steps":\n[{"id": "b",\n"config":\n{"c":\n[1,\n2]}}]}'


@pytest.mark.parametrize("text", [YAML, JSON])
def test_every_part_knows_its_line(text: str) -> None:
    lines = read(text)[1]

    assert (lines["$.name"], lines["$.steps"], lines["$.steps[0].config"]) == (1, 2, 4)
    assert lines["$.steps[0].config.c[1]"] == 7
