"""Which way is down: the import contracts hold, and what a user imports stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house import tree

LIGHT = {"perdure", "anyio", "msgspec", "idna", "sniffio", "typing_extensions"}
"""anyio and msgspec, and what anyio itself stands on."""


def test_every_import_contract_is_kept(tmp_path: Path) -> None:
    program = "from importlinter.cli import lint_imports_command as check; check()"
    check = [sys.executable, "-c", program, "--no-logo", "--cache-dir", str(tmp_path)]
    told = subprocess.run(check, cwd=tree.ROOT, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    assert "0 broken" in told.stdout


def test_importing_perdure_loads_only_anyio_and_msgspec() -> None:
    program = "import sys; before = set(sys.modules); import perdure; print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    told = subprocess.run([sys.executable, "-c", program], cwd=tree.ROOT, capture_output=True, text=True, check=True)
    loaded = {name for name in told.stdout.split() if name not in sys.stdlib_module_names}

    assert loaded <= LIGHT


def test_inside_the_house_imports_are_relative() -> None:
    """Held here and not by a linter, whose idea of a relative import depends on what the folder of a clone is called."""
    found = [(tree.name(path), name) for path in tree.modules(*tree.ROOMS) for name in _absolute(path)]
    ours = [each for each in found if each[1].partition(".")[0] in {"perdure", *tree.ROOMS}]

    assert len(found) > 100
    assert ours == []


def _absolute(path: Path) -> Iterator[str]:
    """What a file imports by absolute names."""
    for node in ast.walk(tree.parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
