"""`perdure worker` on the embedded file: one serves it, a second is told who does. On NATS see tests/adapters/nats/test_workers.py."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.adapters.cli.calling import ENVIRONMENT, SCRIPT, Folder


@contextmanager
def worker(folder: Folder, *arguments: str) -> Generator[subprocess.Popen[str]]:
    command = [str(SCRIPT), "worker", *arguments, "--json"]
    with subprocess.Popen(command, cwd=folder.path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_a_worker_serves_until_it_is_told_to_end_and_another_is_told_who_serves(folder: Folder) -> None:
    with worker(folder, "flows.py") as process:
        serving = told(process)
        assert serving["state"] == "serving"
        assert "greet" in serving["workflows"]

        second = folder.call("worker", "flows.py", "--json")
        assert second.code == 7
        assert f"process {process.pid} " in second.error["who"]

        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["leaving", "done"]
    assert process.returncode == 0


def test_a_run_that_was_left_goes_on_in_a_worker(folder: Folder) -> None:
    first = folder.call("run", "flows.py:fragile", "--id", "f")
    assert first.code == -signal.SIGKILL
    with worker(folder, "flows.py") as process:
        assert told(process)["state"] == "serving"
        deadline = time.monotonic() + 30
        while "after" not in folder.attempts():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert folder.call("run", "flows.py:fragile", "--id", "f").out.split() == ["[", '"before",', '"during",', '"after"', "]"]
    assert len(folder.keys("during")) == 2


def test_on_a_file_the_triggers_of_a_module_are_heard_by_nobody_which_is_said(folder: Folder) -> None:
    (folder.path / "told.py").write_text("import perdure, flows\nNEW = perdure.Trigger('web.new', flows.greet)\n", encoding="utf-8")
    with worker(folder, "flows.py", "told.py") as process:
        assert told(process)["state"] == "serving"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert "trigger 'web.new'" in err
    assert process.returncode == 0


def test_a_module_without_workflows_is_refused_before_a_log_is_opened(folder: Folder) -> None:
    (folder.path / "empty.py").write_text("x = 1\n", encoding="utf-8")
    said = folder.call("worker", "flows.py", "empty.py", "--json")
    assert said.error["error"] == "not_found"
    assert not folder.log.exists()
