"""The tree says nothing about the machine it was written on, and leaves nothing unsaid."""

from __future__ import annotations

import functools
import re

from tests.house import tree

# Written with character classes, so that this file does not find itself.
MACHINE = re.compile(r"(?<![\w.])/(?:w[o]rk\b|r[o]ot|h[o]me/\w|t[m]p/\w|U[s]ers/\w|o[p]t/\w)")
REGISTRY = re.compile(r"pyth[o]nhosted\.|\bpyp[i]\.org|\bnp[m]js\.")
UNFINISHED = re.compile(r"\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b|NotImplemented[E]rror")


def test_no_path_of_a_machine_is_named() -> None:
    assert _lines(MACHINE) == []


def test_no_registry_is_named() -> None:
    assert _lines(REGISTRY) == []


def test_nothing_is_left_for_later() -> None:
    assert _lines(UNFINISHED) == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "\n## [Unreleased]\n" in (tree.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@functools.cache
def _texts() -> dict[str, list[str]]:
    """Every file that is text, as lines."""
    texts = [path for path in tree.files() if path.suffix not in {".db", ".png"}]
    return {tree.name(path): path.read_text(encoding="utf-8").splitlines() for path in texts}


def _lines(pattern: re.Pattern[str]) -> list[str]:
    """Where the pattern is found: file, number, line."""
    found = [(name, number, line) for name, lines in _texts().items() for number, line in enumerate(lines, 1) if pattern.search(line)]
    return [f"{name}:{number}: {line}" for name, number, line in found]
