"""The source tree as the house tests read it: its files, its rooms, its functions."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("eventlog", "actors", "runtime", "adapters")
LIVED_IN = (*ROOMS, "perdure", "tests", "examples")


@functools.cache
def project() -> dict[str, Any]:
    """The contents of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the project that is kept or would be: what git knows or does not ignore; links are not followed."""
    ask = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:  # an unpacked archive
        found = [path for path in ROOT.rglob("*") if not any(part.startswith(".venv") for part in path.parts)]
    else:
        found = [ROOT / name for name in told.stdout.split("\0") if name]
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def modules(*folders: str) -> list[Path]:
    """The Python files below `folders`, the rooms by their own names and not by the links below `perdure/`."""
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def name(path: Path) -> str:
    """How a message calls a file."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with its length in lines, decorators left aside."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1
