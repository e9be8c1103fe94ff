"""Exit codes: what a script may rely on. `docs/cli.md` holds this table, and a test holds the two together."""

from __future__ import annotations

import inspect

from ....eventlog.errors import PerdureError

DONE, RUN_FAILED, USAGE, FINDINGS, INTERRUPTED = 0, 1, 2, 10, 130

OWN: dict[int, tuple[str, str]] = {
    DONE: ("done", "It is done, and all is well."),
    RUN_FAILED: ("run_failed", "The run ended without a result: it failed, was cancelled or was terminated."),
    USAGE: ("usage", "The command line itself is wrong."),
    FINDINGS: ("findings", "A check found something: code that depends on more than its log, faults of a definition, a difference."),
    INTERRUPTED: ("interrupted", "Ctrl-C: a run that was going on is left to be continued."),
}


def exit_codes() -> dict[int, tuple[str, str]]:
    """Each exit code with its name, which is also `error` in --json, and what it means."""
    kinds: list[type[PerdureError]] = PerdureError.__subclasses__()
    of_errors = {kind.exit_code: (kind.code, _meaning(kind)) for kind in reversed(kinds) if kind.__module__.endswith("eventlog.errors")}
    return dict(sorted({**OWN, **of_errors}.items()))


def _meaning(kind: type[PerdureError]) -> str:
    return " ".join((inspect.getdoc(kind) or "").split())
