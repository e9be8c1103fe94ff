"""Which way is down: the import contracts hold, and what a user imports stays light."""

from __future__ import annotations

import subprocess
import sys
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
