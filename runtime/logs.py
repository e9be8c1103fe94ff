"""The standard `logging` in workflows and steps: quiet where code is driven again, and with the run in every line.

Code of a workflow runs again whenever its run comes back from the log, and it runs before what it decided is durable. So
a line that it logs is held back until the log has what it led to, and then emitted, once; what the code says while it is
driven over the log again has been said before.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..eventlog.streams import parts_of
from .authoring.driving import DRIVER
from .authoring.steps import ATTEMPT
from .run.performing import Trouble

if TYPE_CHECKING:
    from .authoring.driving import Driver

FIELDS = ("run", "workflow", "step", "effect", "attempt")


class LogContext(logging.Filter):
    """For a handler: each line of a run or a step, whoever logs it, gets `run`, `workflow`, `step`, `effect` and `attempt`.

    Other lines get the fields empty, so that a format may always name them; a field that a line brings itself is left.
    What workflow code logs while it is driven again is dropped.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        driver = DRIVER.get()
        _complete(record, driver)
        return driver is None or not _is_said(driver)


class _Held(LogContext):
    """For a logger: as LogContext, and what workflow code says waits until it is durable."""

    def filter(self, record: logging.LogRecord) -> bool:
        driver = DRIVER.get()
        _complete(record, driver)
        if driver is None:
            return True
        if driver.lines is not None and not driver.closing:
            record.msg, record.args = record.getMessage(), None  # as it is now: what it names may change
            driver.lines.append(record)
        return False


_held = _Held()
_engine = logging.getLogger("perdure.runtime")


def logger(name: str) -> logging.Logger:
    """`logging.getLogger(name)`, for use in workflows and steps alike: in a workflow a line is emitted once, when it is durable.

    A process that ends in between emits it never; what must be kept belongs into `perdure.log`, which records it.
    """
    found = logging.getLogger(name)
    found.addFilter(_held)  # adding it again changes nothing
    return found


def speak(lines: list[logging.LogRecord | Trouble]) -> None:
    """Emit what was held back, and what the engine itself has to say."""
    taken = lines.copy()
    lines.clear()
    for record in taken:
        if isinstance(record, Trouble):
            named = {"run": record.run, "workflow": record.workflow}
            _engine.error("run %r of workflow %r %s", *named.values(), record.what, exc_info=record.error, extra=named)
            continue
        try:
            logging.getLogger(record.name).handle(record)
        except Exception:
            logging.getLogger("perdure").exception("a line of %r could not be logged", record.name)


def _is_said(driver: Driver) -> bool:
    return driver.lines is None or driver.closing


def _complete(record: logging.LogRecord, driver: Driver | None) -> None:
    """Give a line the fields that it does not have."""
    values: tuple[object, ...] = ("",) * len(FIELDS)
    if driver is not None:
        told = driver.describe()
        values = (told["run"], told["workflow"], "", "", "")
    elif (performed := ATTEMPT.get()) is not None:
        call = performed.call
        values = (parts_of(performed.stream)[2], call.driver.describe()["workflow"], call.step.name, performed.id, performed.attempt)
    for name, value in zip(FIELDS, values, strict=True):
        vars(record).setdefault(name, value)
