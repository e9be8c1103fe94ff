"""What files say, without what they are written with: each format becomes parts, a part being what stands below one heading.

A pure function per format, from text to parts; nothing here opens a file.
"""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

from msgspec import Struct

from ...eventlog.errors import Invalid

PARTS_MAX = 100_000
SIGNATURE_MAX = 300
HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*\s*")
FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
UNDERLINE = re.compile(r"""([!-/:-@\[-`{-~])\1*\s*""")
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
    "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
})  # fmt: skip
UNSAID = frozenset({"script", "style", "template", "noscript", "svg"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


class Part(Struct, frozen=True):
    """`start`: characters from the beginning of what the document says; `line`: that of the file, counted from 1."""

    title: str
    text: str
    start: int
    line: int


def plain(text: str) -> Iterator[Part]:
    """All of it, below no heading."""
    yield Part("", text, 0, 1)


def markdown(text: str) -> Iterator[Part]:
    """A part for each heading, its line among it. What stands in a fence is no heading."""
    fence = ""

    def heading(line: str, _: str) -> str:
        nonlocal fence
        found = FENCE.match(line)
        if found and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
        title = None if fence else HEADING.fullmatch(line)
        return title[1] if title else ""

    yield from _below_headings(text, heading)


def rst(text: str) -> Iterator[Part]:
    """A part for each title that is underlined."""

    def heading(line: str, below: str) -> str:
        bare = line.strip()
        is_title = bool(bare) and UNDERLINE.fullmatch(bare) is None and UNDERLINE.fullmatch(below) is not None
        return bare if is_title and len(below.rstrip()) >= len(bare) else ""

    yield from _below_headings(text, heading)


def _below_headings(text: str, heading: Callable[[str, str], str]) -> Iterator[Part]:
    lines = text.splitlines(keepends=True)
    title, first, begun, at = "", 1, 0, 0
    for number, line in enumerate(lines, 1):
        found = heading(line.rstrip(), lines[number].rstrip() if number < len(lines) else "")
        if found:
            if text[begun:at].strip():
                yield Part(title, text[begun:at], begun, first)
            title, first, begun = found, number, at
        at += len(line)
    if text[begun:].strip():
        yield Part(title, text[begun:], begun, first)


def html(text: str) -> Iterator[Part]:
    """A part for each heading, without tags, scripts and styles. What its title says is the first heading."""
    reader = _Html()
    reader.feed(text)
    reader.close()
    yield from reader.parts()


class _Html(HTMLParser):
    """Gathers what is said, with the lines on which headings begin."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._said: list[str] = []
        self._begun: list[tuple[str, int, int]] = [("", 0, 1)]
        """(heading, place of the first piece below it, line of the file)"""
        self._length = 0
        self._silent = 0
        self._heading: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNSAID:
            self._silent += 1
        elif tag in HEADINGS or tag == "title":
            self._say("\n")
            self._begun.append(("", self._length, self.getpos()[0]))
            self._heading = []
        elif tag in BLOCKS:
            self._say("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSAID:
            self._silent = max(0, self._silent - 1)
        elif (tag in HEADINGS or tag == "title") and self._heading is not None:
            self._begun[-1] = (" ".join("".join(self._heading).split()), *self._begun[-1][1:])
            self._heading = None
            self._say("\n")
        elif tag in BLOCKS:
            self._say("\n")

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._heading is not None:
            self._heading.append(data)
        self._say(data)

    def _say(self, piece: str) -> None:
        self._said.append(piece)
        self._length += len(piece)

    def parts(self) -> Iterator[Part]:
        text = "".join(self._said)
        ends = [start for _, start, _ in self._begun[1:]] + [len(text)]
        for (title, start, line), end in zip(self._begun, ends, strict=True):
            if text[start:end].strip():
                yield Part(title, text[start:end], start, line)


def python(text: str) -> Iterator[Part]:
    """A part for each docstring, with what it documents; its heading is the name in the module. Invalid where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is said of the code is for who wrote it
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Invalid("the file is no Python of this release", who="docstrings", expected="a module that parses", found=str(error),
                      instead="leave it out") from error
    start = 0
    for name, node, doc in _documented(tree, ""):
        said = f"{_signature(node)}{inspect.cleandoc(doc)}\n\n"
        yield Part(name, said, start, getattr(node, "lineno", 1))
        start += len(said)


Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _documented(node: Documented, name: str) -> Iterator[tuple[str, Documented, str]]:
    waiting: list[tuple[str, Documented]] = [(name, node)]
    while waiting:
        name, node = waiting.pop(0)
        doc = ast.get_docstring(node, clean=False)
        if doc and doc.strip():
            yield name, node, doc
        inside = f"{name}." if name else ""
        waiting[:0] = [
            (f"{inside}{each.name}", each) for each in node.body if isinstance(each, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        ]


def _signature(node: Documented) -> str:
    """How it is called, as the source says it."""
    if isinstance(node, ast.Module):
        return ""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}\n\n"
    return f"def {node.name}({ast.unparse(node.args)})"[:SIGNATURE_MAX] + "\n\n"


FORMATS: dict[str, Callable[[str], Iterator[Part]]] = {
    ".txt": plain, ".md": markdown, ".markdown": markdown, ".rst": rst, ".html": html, ".htm": html, ".py": python,
}  # fmt: skip
"""By the ending of a file."""
