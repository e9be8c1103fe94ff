"""Claim 6: every error tells who, where, what was expected and found, and what to do instead, and ends with its exit code."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.proofs.frame import Figures, proof
from tests.proofs.teaching import PARTS, cases, made


@proof("6", "errors teach: who, where, expected, found, do instead, and the exit code, as errors.toml pins them")
def errors_teach() -> Figures:
    known = list(cases().values())
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(made, known))
    parts = sum(said.parts.get(part) != case.parts[part] for case, said in zip(known, told, strict=True) for part in PARTS)
    silent = sum(not case.parts[part] for case in known for part in PARTS)
    exits = sum(said.exit != case.exit for case, said in zip(known, told, strict=True))
    return {"cases": len(known), "parts_not_as_pinned": parts + silent, "exit_codes_not_as_pinned": exits}
