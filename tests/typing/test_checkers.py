"""Type checkers know what a user may write: right.py passes, and of wrong.py every marked line is refused and no other."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import machine

HERE = Path(__file__).resolve().parent
RIGHT, WRONG = HERE / "right.py", HERE / "wrong.py"


def refused_by_mypy(page: Path) -> set[int]:
    """The lines of the page that mypy refuses."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(page)]
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=False, timeout=110)

    assert done.returncode in (0, 1), done.stderr
    return {int(line) for line in re.findall(rf"{page.name}:(\d+): error", done.stdout)}


def refused_by_basedpyright(page: Path) -> set[int]:
    """The lines of the page that basedpyright refuses."""
    settings = HERE / "pyright.json"
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--project", str(settings), "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True, check=False, timeout=110)

    found = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if Path(each["file"]).name == page.name and each["severity"] == "error"}


CHECKERS = {"mypy": refused_by_mypy, "basedpyright": refused_by_basedpyright}


def marked(page: Path) -> set[int]:
    return {number for number, line in enumerate(page.read_text().splitlines(), 1) if line.endswith("# wrong")}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_what_a_user_may_write_is_accepted_and_what_not_is_refused_line_by_line(checker: str) -> None:
    if importlib.util.find_spec(checker) is None:
        machine.missing(checker)

    assert marked(RIGHT) == CHECKERS[checker](RIGHT) == set()
    assert len(marked(WRONG)) >= 20
    assert CHECKERS[checker](WRONG) == marked(WRONG)
