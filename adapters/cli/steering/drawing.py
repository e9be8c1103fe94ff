"""What became of a message to a run, drawn for people."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ....runtime.run.state import ENDED
from .telling import Told


def draw_told(out: Console, told: Told) -> None:
    done = told.told if told.told in {"approved", "rejected"} else f"{told.told} applied"
    said = Text.assemble(("✓ ", "green"), f"{done} at version {told.version} of ", (told.run, "bold"), f", which is {told.status}")
    out.print(said, soft_wrap=True)
    if told.status not in ENDED and not told.served:
        out.print(Text(f"  it goes on with: perdure run MODULE:WORKFLOW [ARGS] --id {told.run}", style="dim"), soft_wrap=True)
