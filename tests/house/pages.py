"""The documentation as data: code blocks, headings and links of each page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.house import tree

COMMONMARK = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` is the first word after the fence, `marks` the others."""

    page: Path
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        return f"{tree.name(self.page)}:{self.line}"


def pages() -> list[Path]:
    """Every Markdown page of the project."""
    return [path for path in tree.files() if path.suffix == ".md"]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, from top to bottom."""
    return [_block(page, token) for token in COMMONMARK.parse(page.read_text(encoding="utf-8")) if token.type == "fence"]


def programs(page: Path) -> list[list[Block]]:
    """The Python programs of a page: a block marked `continues` belongs to the one before it.

    Those marked `nats` need a server and workers, and are run where there are some.
    """
    found: list[list[Block]] = []
    for block in blocks(page):
        if block.language != "python" or "nats" in block.marks:
            continue
        if "continues" in block.marks:
            found[-1].append(block)
        else:
            found.append([block])
    return found


def commands(page: Path) -> Iterator[tuple[Block, str]]:
    """The command lines of a page's shell blocks, prompts and comments taken off, continued lines joined."""
    for block in blocks(page):
        if block.language in {"bash", "sh", "console", "shell"}:
            for line in block.text.replace("\\\n", " ").splitlines():
                bare = re.sub(r"(^|\s)#.*$", "", line.removeprefix("$ ")).strip()
                if bare and (block.language != "console" or line.startswith("$ ")):
                    yield block, bare


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    for token in COMMONMARK.parse(page.read_text(encoding="utf-8")):
        for inner in token.children or ():
            target = inner.attrGet("href" if inner.type == "link_open" else "src") if inner.type in {"link_open", "image"} else None
            if isinstance(target, str):
                yield target


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    tokens = COMMONMARK.parse(page.read_text(encoding="utf-8"))
    titles = [following.content for token, following in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _block(page: Path, token: Token) -> Block:
    language, *marks = token.info.split() or [""]
    return Block(page, (token.map or [0])[0] + 1, language, tuple(marks), token.content)
