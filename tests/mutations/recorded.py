"""A run's log, read as the JSON it is: what arrived, and what the code asked for after each arrival.

It is read without the product's codec and fold, so that who judges the product does not lean on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Ask(NamedTuple):
    """Something that code asks for: a step (content: its arguments), a timer (when it is due), or that effects be forgotten (which)."""

    what: str
    id: str
    name: str
    content: str

    def __str__(self) -> str:
        match self.what:
            case "step":
                return f"step {self.name!r} as {self.id}, arguments {self.content}"
            case "timer":
                return f"timer {self.id} due {self.content}"
            case _:
                return f"abandoning {self.content}"


@dataclass
class Turn:
    """What arrived (None: the run began), when, and what was asked for before the next arrival."""

    at: int
    arrival: dict[str, Any] | None
    asks: list[Ask] = field(default_factory=list[Ask])


@dataclass
class Recorded:
    """All of a log that the code has a part in."""

    turns: list[Turn] = field(default_factory=list[Turn])
    patches: set[str] = field(default_factory=set[str])
    end: tuple[str, Any] | None = None
    """The name of the event that ended the run, and the result."""


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def forgetting(ids: Iterable[str]) -> Ask:
    """The order in which effects are forgotten does not matter."""
    return Ask("abandon", "", "", compact(sorted(ids)))


def recorded(records: Iterable[bytes]) -> Recorded:
    """Read the records of a run that was never suspended."""
    told, open_ids = Recorded(), set[str]()
    for data in records:
        batch = json.loads(data)
        for event in batch["events"]:
            _read(told, open_ids, event, batch["at"])
    return told


def _read(told: Recorded, open_ids: set[str], event: dict[str, Any], at: int) -> None:
    match event["type"]:
        case "RunStarted":
            told.turns.append(Turn(at, None))
        case "StepScheduled":
            open_ids.add(event["id"])
            told.turns[-1].asks.append(Ask("step", event["id"], event["name"], compact(event["args"])))
        case "TimerSet":
            open_ids.add(event["id"])
            told.turns[-1].asks.append(Ask("timer", event["id"], "", str(event["due"])))
        case "EffectsAbandoned":
            open_ids.difference_update(event["ids"])
            told.turns[-1].asks.append(forgetting(event["ids"]))
        case "StepCompleted" | "StepFailed" | "TimerFired":
            if event["id"] in open_ids and "retry_at" not in event:
                open_ids.remove(event["id"])
                told.turns.append(Turn(max(at, told.turns[-1].at), event))
        case "SignalReceived":
            told.turns.append(Turn(max(at, told.turns[-1].at), event))
        case "Patched":
            told.patches.add(event["name"])
        case "RunCompleted" | "RunFailed" | "RunCancelled":
            told.end = event["type"], event.get("result")
        case "Suspended":
            raise ValueError("a run that was suspended has taken arrivals together: its turns cannot be read one by one")
        case _:
            pass
