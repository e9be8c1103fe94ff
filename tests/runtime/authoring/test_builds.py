"""A build: the digest of the code around a workflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from perdure import workflow

@workflow
async def sorts(letter: str) -> bool:
    return letter in {"alpha", "beta", "gamma", "delta"}

print(sorts.build)
"""


def test_a_build_is_the_same_in_every_process(tmp_path: Path) -> None:
    """A set among the constants is written in an order that changes with the hash seed: the digest must not."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    builds = {
        subprocess.run(
            [sys.executable, str(program)], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(builds) == 1
