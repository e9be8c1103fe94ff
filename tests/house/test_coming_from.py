"""The page for those who come from another engine: twenty constructs each, and each of ours is spoken in code that runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import pages, tree

PAGE = tree.ROOT / "docs" / "coming-from.md"
ROW = re.compile(r"^\| (?P<theirs>.+?) \| (?P<ours>.+?) \| (?P<where>.*?) ?\|$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]+\]\((?P<file>[^)#]*)(?:#(?P<anchor>[^)]+))?\)")
CODE = re.compile(r"`([^`]+)`")
SPOKEN = re.compile(r"[.@](\w+)|\b(\w+)(?=[(=])|\b(?:raise|with|await) (?:perdure\.)?(\w+)|^(\w+)$|(--\w+)")
"""Of a piece of code in a row what is ours in it; the rest are names that a reader puts in."""
SOMEBODY = {"perdure", "runtime", "run", "result"}
"""What programs call what they hold, so that it tells nothing."""
ENGINES = ("Temporal", "Restate", "DBOS", "Celery")


def rows(engine: str) -> list[re.Match[str]]:
    section = PAGE.read_text(encoding="utf-8").partition(f"## From {engine}\n")[2].partition("\n## ")[0]
    return [row for row in ROW.finditer(section) if row["theirs"] not in {engine, "---"}]


def shown(where: str) -> str:
    """The code that runs where the links of a row lead to: under a heading up to the next, or in a test."""
    found: list[str] = []
    for link in LINK.finditer(where):
        page = (PAGE.parent / link["file"]).resolve() if link["file"] else PAGE
        if page.suffix == ".py":
            found.append(page.read_text(encoding="utf-8"))
        else:
            blocks = [block for block in under(page, link["anchor"]) if "nats" not in block.marks]
            found += [block.text for block in blocks if block.language in {"python", "bash"}]
    return "\n".join(found)


def under(page: Path, anchor: str) -> Iterator[pages.Block]:
    """The blocks of a page under one heading."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in pages.blocks(page):
        above = [line for line in lines[: block.line - 1] if re.match(r"#{1,3} ", line)]
        if above and re.sub(r"[^\w\- ]", "", above[-1].lstrip("# ").lower()).replace(" ", "-") == anchor:
            yield block


def spoken(ours: str) -> set[str]:
    """The words of ours in a row."""
    found: set[str] = set()
    for code in CODE.findall(ours):
        if code.startswith("perdure "):  # a command
            found |= {word for word in code.split() if not word.isupper() and word != "perdure"}
        else:
            found |= {word for words in SPOKEN.findall(re.sub(r'"[^"]*"', '""', code)) for word in words if word}
    return found - SOMEBODY


@pytest.mark.parametrize("engine", ENGINES)
def test_twenty_constructs_stand_beside_ours(engine: str) -> None:
    assert len(rows(engine)) >= 20


@pytest.mark.parametrize("engine", ENGINES)
def test_each_of_ours_is_spoken_in_code_that_runs_or_is_said_to_be_missing(engine: str) -> None:
    silent: dict[str, set[str]] = {}
    for row in rows(engine):
        if row["ours"].startswith("not yet"):
            continue
        code = shown(row["where"])
        missing = {word for word in spoken(row["ours"]) if not re.search(rf"(?<!\w){re.escape(word)}\b", code)}
        if missing or not code:
            silent[f"{row['theirs']} -> {row['where']}"] = missing

    assert silent == {}
