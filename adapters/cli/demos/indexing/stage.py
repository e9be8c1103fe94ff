"""The processes of the demo: `perdure run` in a child, watched through its log from outside, and killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec

from .....eventlog.errors import Bug, Unavailable
from .....eventlog.streams import stream_of
from ....system.nats_server import NatsServer, nats_server_binary, serving
from ...running.progress import Progress, Watch, Watching
from ...shared.environment import of_a_demo
from .index import Index
from .library import ATTEMPTS

WORKFLOW = "perdure.adapters.cli.demos.indexing.library:index_library"
RUN = "stdlib"
LOG = "log.db"
AT_ONCE = 16
LOOK_SECONDS = 0.01
LONGEST_SECONDS = 600.0

CARRIERS = ("sqlite", "nats")


@contextmanager
def ground(carrier: str, room: Path) -> Generator[NatsServer | None]:
    """What the logs of the demo stand on: files, which need nothing, or a nats-server of its own."""
    if carrier == "sqlite":
        yield None
        return
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    server = NatsServer(nats_server_binary(), room)
    with serving([server]):
        yield server


class Stage:
    """A folder with the index and the evidence of one run, and its log: a file there, or a namespace on the server."""

    def __init__(self, folder: Path, root: str, most: int, server: NatsServer | None) -> None:
        self.folder = folder
        self.log = str(folder / LOG)
        """A path or a URL."""
        self.stream = stream_of("run", "default", RUN)
        self._root, self._most = root, most
        self._server = server
        self._cleared = 0

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        Index.make(self.folder)
        self._cleared += 1
        if self._server is not None:
            from ....nats.inspecting import initialise

            self.log = f"{self._server.url}/{self.folder.name}{f'-{self._cleared}' if self._cleared > 1 else ''}"
            anyio.run(initialise, self.log)

    def watch(self) -> Watching:
        """Follows the run from outside."""
        if self._server is None:
            return Watch(Path(self.log), self.stream)
        from ...running.progress_nats import WatchInNats

        return WatchInNats(self.log, self.stream)

    def start(self) -> subprocess.Popen[bytes]:
        """`perdure run …` as a process of its own, in the folder."""
        log = LOG if self._server is None else self.log
        arguments = ["run", WORKFLOW, self._root, str(self._most), "--id", RUN, "--log", log, "--json"]
        command = [sys.executable, "-m", "perdure.adapters.cli.main", *arguments]
        with (self.folder / "child.txt").open("ab") as said:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=of_a_demo(WORKER_CONCURRENCY=str(AT_ONCE)),
            )

    def play_until(self, enough: Callable[[Progress], bool], show: Callable[[Progress], None]) -> Progress:
        """Run a child, and kill it -9 as soon as its log shows enough; without that, to its end."""
        deadline = time.monotonic() + LONGEST_SECONDS
        child = self.start()
        try:
            with self.watch() as watch:
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
        with self.watch() as after:
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
