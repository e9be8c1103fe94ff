"""What is shown of the cluster while it works: who serves, who leads, how much is done; and what has happened so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...shared.console import console
from .hands import Hand
from .holding import Story
from .load import Load
from .nodes import Node

REFRESHES = 5
COLORS = {"serving": "green", "starting": "yellow", "killed": "bold red", "up": "green"}


class Board:
    """A live table on a terminal; lines alone for a pipe; nothing where the answer is JSON."""

    def __init__(self, nodes: Sequence[Node], hands: Sequence[Hand], *, quiet: bool) -> None:
        self.nodes = nodes
        self.hands = hands
        self.load: Load | None = None
        self.owners: Counter[str] = Counter()
        self.leader = ""
        self._quiet = quiet
        self._began = time.monotonic()
        self._out: Console = console()
        self._live: Live | None = None
        if self._out.is_terminal and not quiet:
            self._live = Live(console=self._out, get_renderable=self._drawn, refresh_per_second=REFRESHES, transient=True)

    def shown(self) -> AbstractContextManager[Any]:
        return self._live or nullcontext()

    def say(self, *parts: str | tuple[str, str]) -> None:
        """A line that stays, with the time since the beginning."""
        if not self._quiet:
            self._out.print(Text.assemble((f"{time.monotonic() - self._began:5.1f} s  ", "dim"), *parts), soft_wrap=True)

    def _drawn(self) -> RenderableType:
        return Group(Text(), self._servers(), Text(), self._workers(), Text(), self._orders())

    def _servers(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("server", "process", "", "leads"):
            table.add_column(name, min_width=9)
        for node in self.nodes:
            state, leads = ("up", node.name == self.leader) if node.is_up else ("killed", False)
            table.add_row(node.name, str(node.pid or ""), Text(state, style=COLORS[state]), "the log" if leads else "")
        return table

    def _workers(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("worker", "process", "", "partitions"):
            table.add_column(name, min_width=9)
        for hand in self.hands:
            count = self.owners[hand.name] if hand.name else 0
            bar = Text.assemble(f"{count:>2} ", ("■" * (count // 2), "cyan"))
            table.add_row(f"worker {hand.number}", str(hand.process.pid), Text(hand.state, style=COLORS.get(hand.state, "")), bar)
        return table

    def _orders(self) -> Text:
        load = self.load
        if load is None:
            return Text("")
        return Text.assemble(
            (f"{load.rate():5.0f} ", "bold"), "runs a second   ",
            (f"{len(load.started):,} ", "bold"), "acknowledged   ", (f"{len(load.ended):,} ", "bold"), "ended",
        )  # fmt: skip


def draw_story(out: Console, story: Story) -> None:
    """The end of the play, for people."""
    found = story.held
    lines = [
        f"{found.orders:,} orders were acknowledged, all came to their end, each with its result",
        f"{found.attempts:,} attempts of steps; {found.attempted_again} of them again, under the same keys; every outcome is recorded once",
        f"{found.records:,} records: every chain holds, no owner wrote behind a newer one",
    ]
    out.print()
    for line in lines:
        out.print(Text.assemble(("✓ ", "green"), line), soft_wrap=True)
    blows = story.blows
    around = f"{blows.slowest_around_worker:.1f} s around the worker's end, {blows.slowest_around_leader:.1f} s around the server's"
    out.print(Text(f"slowest start: {around}; all of it took {story.seconds:.0f} s", style="dim"), soft_wrap=True)
