"""Nothing grows beyond what a reader holds at once."""

from __future__ import annotations

from tests.house import tree

MODULES = tree.modules(*tree.LIVED_IN)
FILE_LINES, FUNCTION_LINES, EXAMPLE_LINES = 400, 70, 80


def test_a_file_ends_before_the_reader_tires() -> None:
    lines = {tree.name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

    assert {name: count for name, count in lines.items() if count > (EXAMPLE_LINES if name.startswith("examples/") else FILE_LINES)} == {}


def test_a_function_fits_on_a_screen() -> None:
    lengths = [(f"{tree.name(path)}: {function}", lines) for path in MODULES for function, lines in tree.functions(path)]

    assert [(function, lines) for function, lines in lengths if lines > FUNCTION_LINES] == []
