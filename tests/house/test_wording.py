"""The tree says nothing about the machine it was written on, and leaves nothing unsaid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import tree

# Written with character classes, so that this file does not find itself.
MACHINE = re.compile(r"(?<![\w.])/(?:w[o]rk|r[o]ot|h[o]me/\w|t[m]p/\w|U[s]ers/\w|o[p]t/\w)")
REGISTRY = re.compile(r"pyth[o]nhosted\.|\bpyp[i]\.org|\bnp[m]js\.")
UNFINISHED = re.compile(r"\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b|NotImplemented[E]rror")
TEXTS = [pytest.param(path, id=tree.name(path)) for path in tree.files() if path.suffix not in {".db", ".png"}]


@pytest.mark.parametrize("path", TEXTS)
def test_no_path_of_a_machine_and_no_registry_is_named(path: Path) -> None:
    assert _lines(path, MACHINE) == []
    assert _lines(path, REGISTRY) == []


@pytest.mark.parametrize("path", TEXTS)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert _lines(path, UNFINISHED) == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "\n## [Unreleased]\n" in (tree.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def _lines(path: Path, pattern: re.Pattern[str]) -> list[str]:
    return [f"{number}: {line}" for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if pattern.search(line)]
