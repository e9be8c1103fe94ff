"""`python -m tests.proofs [NAME ...] [--json]`: show of each claim its figures, their bounds and PASS or FAIL.

A name may be the beginning of several: `5` proves `5-bare`, `5-w1` and so on. The exit code is 0 only if every claim asked for holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # started by its path instead of by its name
    sys.path.insert(0, str(ROOT))

from tests.proofs import frame  # noqa: E402  needs the path above

KEPT = ROOT / ".make" / "proofs.json"


def chosen(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    """The claims asked for, in the order of the page; an unknown name is an error, not an empty success."""
    unknown = [name for name in asked if not any(claim.startswith(name) for claim in known)]
    if unknown:
        raise SystemExit(f"no claim is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [claim for claim in known if not asked or any(claim.startswith(name) for name in asked)]


def table(verdict: frame.Verdict) -> Table:
    """A claim as a person reads it."""
    colour, word = ("green", "PASS") if verdict.holds else ("red", "FAIL")
    shown = Table(title=f"{verdict.name}: {verdict.claim}  [{colour}]{word}[/]  {verdict.seconds:.1f} s", min_width=72)
    shown.title_justify = "left"
    shown.add_column("figure", ratio=1)
    shown.add_column("measured", justify="right")
    shown.add_column("bound", justify="right")
    shown.add_column("")
    for line in verdict.lines:
        measured = "not measured" if line.figure is None else f"{line.figure:,.6g}"
        mark = "" if line.bound is None else "PASS" if line.holds else "[red]FAIL[/]"
        shown.add_row(line.name.replace("_", " "), measured, str(line.bound or ""), mark)
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the JSON of all verdicts is kept in `.make/proofs.json` too."""
    parser = argparse.ArgumentParser(prog="proofs", description="Each claim: its figures, their bounds, PASS or FAIL.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="claims, or beginnings of their names; none means all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    console = Console(quiet=options.json)
    frame.discover()
    required = frame.bounds()
    verdicts: list[frame.Verdict] = []
    for name in chosen(options.names, [*required, *(name for name in frame.registry if name not in required)]):
        verdicts.append(frame.examine(name, required.get(name, {})))
        console.print(table(verdicts[-1]))
        if verdicts[-1].error:
            console.print(verdicts[-1].error, markup=False)
    data = json.dumps([verdict.as_data() for verdict in verdicts], indent=2)
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(data + "\n", encoding="utf-8")
    if options.json:
        print(data)
    failed = [verdict.name for verdict in verdicts if not verdict.holds]
    console.print(f"{len(verdicts) - len(failed)} of {len(verdicts)} claims hold" + (f"; not {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
