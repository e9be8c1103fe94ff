"""The page for those who come from another engine: twenty constructs each, and each of ours is code that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import pages, tree

PAGE = tree.ROOT / "docs" / "coming-from.md"
ROW = re.compile(r"^\| (?P<theirs>.+?) \| (?P<ours>.+?) \| (?P<where>.*?) ?\|$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\((?P<file>[^)#]*)#(?P<anchor>[^)]+)\)")
ENGINES = ("Temporal", "Restate", "DBOS", "Celery")


def rows(engine: str) -> list[re.Match[str]]:
    section = PAGE.read_text(encoding="utf-8").partition(f"## From {engine}\n")[2].partition("\n## ")[0]
    return [row for row in ROW.finditer(section) if row["theirs"] not in {engine, "---"}]


def has_code(page: Path, anchor: str) -> bool:
    """Whether something runs on the page under a heading: Python below it, up to the next heading of its rank, or a command."""
    text = page.read_text(encoding="utf-8")
    for block in [*pages.blocks(page)]:
        above = [line for line in text.splitlines()[: block.line] if re.match(r"#{1,3} ", line)]
        titles = {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in (above[:1] + above[-1:])}
        if anchor in titles and block.language in {"python", "bash"}:
            return True
    return False


@pytest.mark.parametrize("engine", ENGINES)
def test_twenty_constructs_stand_beside_ours(engine: str) -> None:
    assert len(rows(engine)) >= 20


@pytest.mark.parametrize("engine", ENGINES)
def test_each_of_ours_leads_to_code_that_runs_or_is_said_to_be_missing(engine: str) -> None:
    dead: list[str] = []
    for row in rows(engine):
        found = LINK.search(row["where"])
        if found is None:
            if "not yet" not in row["ours"]:
                dead.append(row["theirs"])
            continue
        page = (PAGE.parent / found["file"]).resolve() if found["file"] else PAGE
        if not page.is_file() or not has_code(page, found["anchor"]):
            dead.append(f"{row['theirs']} -> {found[0]}")

    assert dead == []
