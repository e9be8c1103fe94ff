"""The workflow of the demo: an index of the Python standard library, a step per file, packages side by side.

It is ordinary user code, found by `perdure run perdure.adapters.cli.demos.indexing.library:index_library`. Its files go into the
working directory of the process, so that a run in another directory has the same steps with the same arguments.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from msgspec import Struct

from .....runtime.authoring.groups import gather
from .....runtime.authoring.steps import current, step
from .....runtime.authoring.words import attributes
from .....runtime.authoring.workflows import workflow
from .index import Index
from .reading import read_source

SKIPPED = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})
ATTEMPTS = "attempts.txt"
"""One line for each attempt that really began, whatever became of it: evidence that no log is asked for."""


class Totals(Struct, frozen=True):
    """What was counted, in one file or in many."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    docstrings: int = 0

    def plus(self, other: Totals) -> Totals:
        return Totals(
            self.files + other.files,
            self.lines + other.lines,
            self.functions + other.functions,
            self.classes + other.classes,
            self.docstrings + other.docstrings,
        )


@step
def survey(root: str, most: int) -> dict[str, list[str]]:
    """The Python files below `root` by package, at most so many (0: all), spread over the whole."""
    top = Path(root)
    found = sorted(path.relative_to(top).as_posix() for path in top.rglob("*.py") if not SKIPPED & set(path.relative_to(top).parts))
    if most and most < len(found):
        found = [found[place * len(found) // most] for place in range(most)]
    packages: dict[str, list[str]] = {}
    for name in found:
        package, slash, _ = name.partition("/")
        packages.setdefault(package if slash else "modules", []).append(name)
    return packages


@step
def index_file(root: str, name: str) -> Totals:
    """Parse one file and put its docstrings into the full-text index, once, however often it is attempted."""
    attempt = current()
    note_attempt(attempt.effect, name)
    source = read_source(Path(root) / name)
    with Index.open() as index:
        index.add(attempt.idempotency_key, name, source.docs)
    return Totals(1, source.lines, source.functions, source.classes, len(source.docs))


def note_attempt(effect: str, name: str) -> None:
    file = os.open(ATTEMPTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, f"{os.getpid()}\t{effect}\t{name}\n".encode())
    finally:
        os.close(file)


@workflow
async def index_library(root: str, most: int) -> Totals:
    """Index every file: one branch per package, one file after another in each."""
    packages = await survey(root, most)
    attributes(files=sum(map(len, packages.values())), packages=len(packages))
    return total(await gather(*(index_package(root, names) for names in packages.values())))


async def index_package(root: str, names: list[str]) -> Totals:
    return total([await index_file(root, name) for name in names])


def total(parts: Iterable[Totals]) -> Totals:
    return reduce(Totals.plus, parts, Totals())
