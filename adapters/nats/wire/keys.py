"""Files with keys, as the tools of NATS write them: whether one holds what a client needs of it."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

JWT, SEED = b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED"


def lacking_in_nkey(file: str) -> str:
    """Why no seed can be read from a file; nothing where one can."""
    try:
        return lacking_in_seed(Path(file).read_bytes().strip())
    except OSError as error:
        return str(error)


def lacking_in_credentials(file: str) -> str:
    """Why no JWT and seed can be read from a file; nothing where they can. nats-py would look for a JWT that is not there for ever."""
    try:
        lines = Path(file).read_bytes().splitlines()
    except OSError as error:
        return str(error)
    behind = {mark: [after for line, after in pairwise(lines) if mark in line] for mark in (JWT, SEED)}
    if missing := [mark.decode() for mark, found in behind.items() if not found or not found[0].strip()]:
        return f"nothing behind {' and '.join(missing)}"
    return lacking_in_seed(behind[SEED][0].strip())


def lacking_in_seed(seed: bytes) -> str:
    """Why this is no seed; its own text is nobody's to read."""
    try:
        nkeys: Any = import_module("nkeys")  # it brings no types
    except ModuleNotFoundError:
        return ""  # whoever connects says that it is missing
    try:
        nkeys.from_seed(bytearray(seed)).wipe()
    except Exception as error:
        return f"no seed of an nkey ({type(error).__name__})"
    return ""
