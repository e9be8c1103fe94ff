"""Nothing grows beyond what a reader holds at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import tree

MODULES = [pytest.param(path, id=tree.name(path)) for path in tree.modules(*tree.LIVED_IN)]
FILE_LINES, FUNCTION_LINES, EXAMPLE_LINES = 400, 70, 80


@pytest.mark.parametrize("path", MODULES)
def test_a_file_ends_before_the_reader_tires(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= (EXAMPLE_LINES if tree.name(path).startswith("examples/") else FILE_LINES)


@pytest.mark.parametrize("path", MODULES)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    assert [f"{function}: {lines}" for function, lines in tree.functions(path) if lines > FUNCTION_LINES] == []
