"""The facts of a run: the phases they may go through are those of the design's page."""

from __future__ import annotations

from perdure.runtime.run.state import AFTER
from tests.house.tree import ROOT


def test_the_table_of_phases_in_the_design_is_the_one_in_the_code() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.partition("| from | event | to |\n|---|---|---|\n")[2].partition("\n\n")[0]
    drawn = "\n".join(f"| {before} | {event.__name__} | {after} |" for (before, event), after in AFTER.items())

    assert table == drawn
