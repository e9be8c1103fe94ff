"""A run whose process is really killed, again and again, and begun again on the file that it left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.corpus.case import Case

ROOT = Path(__file__).resolve().parents[2]


def killed(case: Case, seed: int, folder: Path, kills: int) -> tuple[str, int]:
    """(the content digest in the end, how often SIGKILL struck) of a run of the case on SQLite."""
    struck = 0
    for life in range(kills + 1):
        arguments = [folder / f"{case.name}-{seed}.db", case.name, seed, life, kills]
        command = [sys.executable, "-m", "tests.corpus.child", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            return done.stdout.strip(), struck
        if done.returncode != -signal.SIGKILL:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        struck += 1
    raise RuntimeError(f"{case.name} has not ended after {struck} kills")
