"""The plain account of a program: what it may answer, whatever befell it.

A step that fails may still succeed: a person who retries the run gives it more attempts than its own policy does.
"""

from __future__ import annotations

from typing import Any

from tests.sim.policies import PEOPLE
from tests.sim.programs import Part
from tests.sim.steps import RETRY

ANSWERS = ("approved by Ada", "rejected by Bob")


def has(part: Part, word: str) -> bool:
    """Whether the program has this word anywhere."""
    return part[0] == word or any(has(one, word) for one in part if isinstance(one, list))  # pyright: ignore[reportUnknownArgumentType]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def eased(part: Part) -> Part:
    """As it is once a person has retried the run: a step that gives up after so many attempts has as many again."""
    if part[:2] == ["do", "hurry"]:
        return [*part[:4], 0]
    return [eased(one) if isinstance(one, list) else one for one in part]  # pyright: ignore[reportUnknownArgumentType]


def admits(part: Part, value: Any) -> bool:  # noqa: PLR0912 - one case for each word of the little language
    """Whether the part may answer so. Everything but races and limits of time has one answer only."""
    match part:
        case ["do", "hurry", key, _, fails]:
            return bool(value == f"failed {key}" or (value == f"did {key}" and fails < RETRY.attempts))
        case ["do", "strike", key, _, fails]:
            return bool(value in (f"did {key}", f"interrupted {key}") or (fails and value == f"failed {key}"))
        case ["do", _, key, _, fails]:
            return bool(value == f"did {key}" or (value == f"failed {key}" and fails >= RETRY.attempts))
        case ["must", key, *_]:
            return bool(value == f"did {key}")
        case ["mend", before, after]:
            return admits(before, value) or admits(after, value)
        case ["lives", *parts]:
            return admits(parts[-1], value)
        case ["nap", _, _]:
            return bool(value == "slept")
        case ["take", name]:
            return isinstance(value, str) and value.startswith(name)
        case ["pick", _, *names]:
            return bool(value == "nothing") or (isinstance(value, str) and value.startswith(tuple(names)))
        case ["ask", _, millis, _]:
            return value in ANSWERS or (bool(millis) and value == "expired by ")
        case ["ask", _, millis, _, _]:
            decided = [f"{outcome} by {who}" for outcome in ("approved", "rejected") for who in PEOPLE]
            return value in decided or (bool(millis) and value in ("expired by ", "nobody decided"))
        case ["child", _, inner]:
            return admits(inner, value)
        case ["spawn", _, inner, meanwhile]:
            values = _listed(value)
            return len(values) == 3 and admits(meanwhile, values[0]) and admits(inner, values[1]) and values[1] == values[2]
        case ["seq" | "all" | "group", *parts]:
            values = _listed(value)
            return len(values) == len(parts) and all(admits(one, answer) for one, answer in zip(parts, values, strict=True))
        case ["any", *parts]:
            values = _listed(value)
            return len(values) == 2 and values[0] in range(len(parts)) and admits(parts[values[0]], values[1])
        case ["limit", _, inner]:
            values = _listed(value)
            return values == ["too late"] or (values[:1] == ["in time"] and admits(inner, values[1]))
        case ["tidy", inner, _]:
            return admits(inner, value)
        case ["roll"]:
            return isinstance(value, int) and 0 <= value < 100
        case _:
            return False
