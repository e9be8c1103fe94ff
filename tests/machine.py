"""The parts of a machine that some tests need: a second Python, a NATS server.

A part that is missing is never passed over in silence: it is told just before pytest's closing line, and with
PERDURE_STRICT_MACHINE=1 (as `.ci/run` sets it) it fails the test.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")

left_out: dict[str, list[str]] = {}
"""What is missing, and the tests that could not run for it."""


def strict() -> bool:
    """Whether a missing part is a failure here."""
    return os.environ.get("PERDURE_STRICT_MACHINE") == "1"


def missing(part: str) -> NoReturn:
    """Leave the running test out for want of `part`, and remember to say so."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "?").split(" ")[0]
    left_out.setdefault(part, []).append(test)
    if strict():
        pytest.fail(f"this machine has no {part}, and PERDURE_STRICT_MACHINE=1 forbids to leave a test out", pytrace=False)
    pytest.skip(f"this machine has no {part}")


def nats_server() -> Path:
    """The NATS server that the test dependencies bring along, or one on PATH."""
    beside = Path(sysconfig.get_path("scripts"))
    found = shutil.which("nats-server", path=str(beside)) or shutil.which("nats-server")
    if found is None:
        missing("nats-server")
    return Path(found)


def python(version: str) -> Path:
    """A Python of `version` ("3.12") that can import perdure, with the test libraries; made once, kept in `.venv-3.12`."""
    return environment(version) or missing(f"Python {version}")


@functools.cache
def environment(version: str) -> Path | None:
    """The interpreter of an environment for `version`, or None where the machine has no such Python."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    home = ROOT / f".venv-{version}"
    interpreter, stamp = home / "bin" / "python", home / ".ready"
    wanted = (ROOT / "constraints.txt").read_text() + str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    kept = ROOT / ".make"
    kept.mkdir(exist_ok=True)
    with (kept / f"python-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes share the tests
        return interpreter if stamp.exists() and stamp.read_text() == wanted else _made(version, home, wanted)


def _made(version: str, home: Path, wanted: str) -> Path | None:
    interpreter, stamp = home / "bin" / "python", home / ".ready"
    base = _interpreter(version)
    if base is None:
        return None
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(interpreter)]  # ours serves them all
    install = [*pip, "install", "--quiet", "--no-compile", "-c", "constraints.txt"]
    _run([str(base), "-m", "venv", "--clear", "--without-pip", str(home)])
    _run([*install, "setuptools"])
    _run([*install, "--no-build-isolation", "-e", ".[fast,testing]", "hypothesis", "pytest-timeout"])
    stamp.write_text(wanted)
    return interpreter


def _interpreter(version: str) -> Path | None:
    """An interpreter on PATH, or the newest among those pyenv keeps."""
    kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"), key=lambda path: path.stat().st_mtime)
    candidates = [Path(found) for found in [shutil.which(f"python{version}")] if found] + kept[::-1]
    return next((path for path in candidates if _answers(path, version)), None)


def _answers(interpreter: Path, version: str) -> bool:
    """Whether it really is that Python: a shim on PATH may lead nowhere."""
    ask = [str(interpreter), "-c", "import venv, sys; print('%d.%d' % sys.version_info[:2])"]
    answer = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=30)
    return answer.returncode == 0 and answer.stdout.strip() == version


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
