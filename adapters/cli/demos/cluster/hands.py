"""The processes of the cluster: `perdure worker` each, whose states are read from what they tell."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Literal, TypeAlias

from ...shared.environment import of_a_demo
from . import flows

State: TypeAlias = Literal["starting", "serving", "leaving", "done", "killed"]
END_SECONDS = 15.0


class Hand:
    """One worker."""

    def __init__(self, number: int, folder: Path, url: str) -> None:
        self.number = number
        self.name = ""
        self.state: State = "starting"
        command = [sys.executable, "-m", "perdure.adapters.cli.main", "worker", flows.__name__, "--log", url, "--json"]
        with (folder / f"worker{number}.txt").open("wb") as said:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                command, cwd=folder, env=of_a_demo(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
            )
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()

    def kill(self) -> None:
        """End it as a crash would."""
        self.state = "killed"
        self.process.send_signal(signal.SIGKILL)

    def end(self) -> None:
        """Let it hand over and end; at the latest after a while."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._listening.join(END_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _listen(self) -> None:
        """Follow what it tells until its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            self.name, state = told["worker"], told["state"]
            if self.state != "killed":
                self.state = state
