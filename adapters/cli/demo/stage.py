"""The processes of the demo: `perdure run` in a child, watched through its log from outside, and killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from ....eventlog.errors import Bug, Unavailable
from ....eventlog.streams import stream_of
from ..progress import Progress, Watch
from .index import Index
from .library import ATTEMPTS

WORKFLOW = "perdure.adapters.cli.demo.library:index_library"
RUN = "stdlib"
LOG = "log.db"
AT_ONCE = 16
LOOK_SECONDS = 0.01
LONGEST_SECONDS = 600.0


class Stage:
    """A folder with the log, the index and the evidence of one run."""

    def __init__(self, folder: Path, root: str, most: int) -> None:
        self.folder = folder
        self.log = folder / LOG
        self.stream = stream_of("run", "default", RUN)
        self.arguments = ["run", WORKFLOW, root, str(most), "--id", RUN, "--log", LOG, "--json"]

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        Index.make(self.folder)

    def start(self) -> subprocess.Popen[bytes]:
        """`perdure run …` as a process of its own, in the folder."""
        command = [sys.executable, "-m", "perdure.adapters.cli.main", *self.arguments]
        with (self.folder / "child.txt").open("ab") as said:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={**os.environ, "WORKER_CONCURRENCY": str(AT_ONCE)},
            )

    def play_until(self, enough: Callable[[Progress], bool], show: Callable[[Progress], None]) -> Progress:
        """Run a child, and kill it -9 as soon as its log shows enough; without that, to its end."""
        deadline = time.monotonic() + LONGEST_SECONDS
        child = self.start()
        try:
            with Watch(self.log, self.stream) as watch:
                while child.poll() is None:
                    progress = watch.look()
                    show(progress)
                    if enough(progress):
                        break
                    if time.monotonic() > deadline:
                        raise Unavailable(
                            "the demo takes too long",
                            who="the demo",
                            where=str(self.folder),
                            expected=f"an end within {LONGEST_SECONDS:g} s",
                            found=progress.doing(),
                            instead="try fewer files: perdure demo --files 100",
                        )
                    time.sleep(LOOK_SECONDS)
        finally:
            child.kill()
            code = child.wait()
        with Watch(self.log, self.stream) as after:
            progress = after.look()
        if code > 0:
            raise Bug(
                "the run of the demo failed",
                who="perdure run",
                where=str(self.folder / "child.txt"),
                found=f"exit code {code}: {self._last_words()}",
                instead="report it with that file",
            )
        show(progress)
        return progress

    def _last_words(self) -> str:
        return (self.folder / "child.txt").read_text(errors="replace").strip()[-300:]

    def attempts(self) -> dict[str, list[int]]:
        """The processes that began each step, by its id, as the steps themselves wrote it down."""
        found: dict[str, list[int]] = {}
        try:
            lines = (self.folder / ATTEMPTS).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return found
        for line in lines:
            pid, effect, _ = line.split("\t")
            found.setdefault(effect, []).append(int(pid))
        return found


def total_files(progress: Progress) -> int:
    """How many files the survey found; 0 before it is done."""
    raw = progress.attributes.get("files")
    return 0 if raw is None else msgspec.json.decode(raw, type=int)
