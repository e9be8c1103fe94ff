"""docs/semantics.md: every rule is told, as built and linked to its tests, or as open; every test of a rule is linked."""

from __future__ import annotations

import re

import pytest

from tests.house import pages, tree
from tests.semantics.breaks.table import RULES

PAGE = tree.ROOT / "docs" / "semantics.md"
LAST_RULE = 45
TOLD = dict(re.findall(r"^\*\*(\d+)\. (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
OPEN = re.findall(r"^- \*\*(\d+)\*\*: ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_rule_is_told_or_open() -> None:
    assert sorted({int(rule) for rule in (*TOLD, *OPEN)}) == list(range(1, LAST_RULE + 1))


@pytest.mark.parametrize("rule", TOLD)
def test_a_rule_links_to_tests_of_its_number_and_to_no_other(rule: str) -> None:
    files = re.findall(r"\(\.\./tests/semantics/(\w+\.py)\)", TOLD[rule])

    assert files
    assert [file for file in files if not file.startswith(f"test_rule_{int(rule):02}_") or not (RULES / file).is_file()] == []


def test_every_test_of_the_rules_is_linked() -> None:
    linked = {link.rpartition("/")[2] for link in pages.links(PAGE) if "tests/semantics/" in link}

    assert {path.name for path in RULES.glob("test_*.py")} - {"test_page.py"} == linked
