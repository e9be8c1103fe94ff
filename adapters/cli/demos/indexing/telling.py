"""What the demo says, scene by scene, so that who sees it for the first time knows what just happened."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from .....eventlog.report import Report
from .....runtime.inspect.replay import Verdict
from ....system.nats_server import NatsServer
from ...running.progress import Progress
from ..voice import Voice, near
from .index import Hit
from .library import Totals
from .stage import AT_ONCE, total_files

DIGEST, TEXT = 16, 74
"""Characters of a digest and of a text that are shown."""


class Telling(Voice):
    """The words of the demo."""

    @contextmanager
    def bar(self, title: str) -> Generator[Callable[[Progress], None]]:
        """A progress bar that is driven by what the log says."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(32),
            MofNCompleteColumn(),
            TextColumn("files"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[doing]}"),
        )
        with Bar(*columns, console=self._out, disable=self._quiet) as bar:
            task = bar.add_task(title, total=None, doing="starting")

            def show(progress: Progress) -> None:
                total = total_files(progress)
                bar.update(
                    task,
                    total=total or None,
                    completed=progress.counts("index_file"),
                    doing=f"{len(progress.open)} in flight" if progress.open else "",
                )

            yield show

    # -- the scenes ----------------------------------------------------------------------------------------------------

    def opening(self, library: str, folder: Path, server: NatsServer | None) -> None:
        self.line(("perdure demo", "bold"), ("  a run outlives the process it started in", "dim"))
        self.line("")
        self.line("A workflow indexes the Python standard library: each file is a step,")
        self.line(f"packages go side by side, {AT_ONCE} steps at once.")
        self.line(("   library   ", "dim"), library)
        self.line(("   in        ", "dim"), f"{near(folder)}/  (its log, its index, and what each attempt noted)")
        if server is not None:
            self.line(("   log       ", "dim"), f"in NATS JetStream, on a server of its own at {server.url}")
        self.scene(1, "A process starts the run, and is killed half-way")

    def killed(self, done: int, total: int, in_flight: int, begun: int) -> None:
        self.line("   ", ("✗ ", "bold red"), ("kill -9", "bold red"), f" after {done} of {total} files")
        self.line(f"     the log it left: {done} done, {in_flight} in flight, of which {begun} had begun")
        self.scene(2, "The same command again")

    def redone(self, kept: int, done_again: int, attempted_again: int, rest: int) -> None:
        self.good((str(kept), "bold"), " were done before the kill and not touched again", (f"  (done again: {done_again})", "dim"))
        self.good((str(attempted_again), "bold"), " were in the middle and were attempted again")
        self.line(("     each with the key it had before, so the index took none twice", "dim"))
        self.good((str(rest), "bold"), " were begun for the first time")
        self.scene(3, "Is the log whole, and does the code agree with it?")

    def examined(self, log: Report, verdict: Verdict) -> None:
        self.good("verified ", (f"{log.records} records", "bold"), ": every chain holds and reaches its anchor")
        self.good("replayed ", (f"{verdict.events} events", "bold"), ": the code asks for the same again, one for one")
        self.line("     state digest    ", (verdict.state_digest[:DIGEST], "cyan"))
        self.scene(4, "The same run in one go, never killed, in a fresh folder")

    def compared(self, killed: str, clean: str, docstrings: int, *, equal: bool) -> None:
        mark = ("✓ ", "green") if killed == clean and equal else ("✗ ", "bold red")
        self.line("     content digest  ", (killed[:DIGEST], "cyan"), ("  of the run that was killed", "dim"))
        self.line("     content digest  ", (clean[:DIGEST], "cyan"), ("  of the run that was not", "dim"))
        indexes = f"both indexes hold the same {docstrings:,} docstrings" if equal else "the indexes differ"
        self.line("   ", mark, "equal" if killed == clean else "different", f"; and {indexes}")

    def ending(self, totals: Totals, search: str, hits: Sequence[Hit], seconds: float, see: Sequence[str]) -> None:
        self.scene(5, f"Ask the index: {search}")
        for hit in hits:
            self.line("   ", (f"{hit.file}:{hit.line}", "cyan"), "  ", (hit.name or "the module", "bold"))
            self.line(("     " + hit.text[:TEXT], "dim"))
        if not hits:
            self.line("   nothing is said of it")
        self.line("")
        counted = ", ".join(f"{getattr(totals, what):,} {what}" for what in ("files", "lines", "functions", "classes", "docstrings"))
        self.line((counted, "bold"))
        self.line(f"All of it took {seconds:.0f} s.")
        for place, command in enumerate(see):
            self.line(("                   " if place else "See for yourself:  ", "dim"), command)
