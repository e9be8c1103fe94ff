"""Programs that answer lines of JSON with lines of JSON, as many side by side as the machine has cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec

from tests import machine

T = TypeVar("T")


class Worker:
    """One such program."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=machine.ROOT, env=os.environ | environment,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self, question: Any, kind: type[T]) -> T:
        inbox, outbox = self._process.stdin, self._process.stdout
        assert inbox is not None
        assert outbox is not None
        inbox.write(msgspec.json.encode(question) + b"\n")
        inbox.flush()
        if not (line := outbox.readline()):
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()} over {question}")
        return msgspec.json.decode(line, type=kind)

    def close(self) -> None:
        self._process.communicate(timeout=60)


def answers(questions: Iterable[Any], kind: type[T], module: str, *arguments: str, **environment: str) -> Iterator[T]:
    """The answer to each question, in their order."""
    free: SimpleQueue[Worker] = SimpleQueue()

    def answer(question: Any) -> T:
        worker = free.get()
        try:
            return worker.answer(question, kind)
        finally:
            free.put(worker)

    with ExitStack() as open_workers:
        cores = min(4, os.cpu_count() or 1)
        for _ in range(cores):
            worker = Worker(module, arguments, environment)
            open_workers.callback(worker.close)
            free.put(worker)
        yield from open_workers.enter_context(ThreadPoolExecutor(cores)).map(answer, questions)
