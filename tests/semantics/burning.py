"""Steps for other processes: they must be found by name in a module of their own."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from perdure import CompleteLater, Fatal, Retry, current, step

AGAIN = Retry(attempts=2, first=timedelta(milliseconds=1))


class Sum(Struct):
    """What was added, when and where."""

    total: int
    when: datetime
    process: int


@step(executor="process")
def add(numbers: list[int], when: datetime) -> Sum:
    print("what a step prints does not disturb")
    return Sum(sum(numbers), when, os.getpid())


@step(executor="process")
def own_key() -> tuple[str, int, str]:
    return current().idempotency_key, current().attempt, current().run


@step(executor="process", retry=Retry(attempts=3, first=timedelta(milliseconds=1), on=(ConnectionError,)))
def stumble(how: str, notes: str) -> str:
    with Path(notes).open("a", encoding="utf-8") as file:
        file.write(f"{current().attempt}\n")
    match how:
        case "dies":
            os._exit(3)
        case "fails":
            raise ConnectionResetError("down")
        case "is wrong":
            raise ValueError("wrong")
        case "gives up":
            raise Fatal("never")
        case _:
            raise CompleteLater


@step(executor="process", retry=AGAIN)
def die_once() -> str:
    if current().attempt == 1:
        os._exit(9)
    return "alive"


@step(executor="process", timeout=timedelta(seconds=1))
def burn(notes: str) -> None:
    Path(notes).write_text(str(os.getpid()), encoding="utf-8")
    while True:
        time.sleep(0.01)
