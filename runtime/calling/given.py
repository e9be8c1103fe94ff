"""What callers give, turned into what requests carry; what makes no sense is Invalid."""

from __future__ import annotations

from datetime import timedelta

from ...eventlog.errors import Invalid
from ..authoring.given import must_be_duration, must_be_text


def id_of(given: str | None, who: str) -> str:
    """The id of a run that is to begin; empty where one is to be made up, and only then."""
    return "" if given is None else must_be_id(given, who)


def must_be_id(given: str, who: str) -> str:
    must_be_text(given, who, "id", "order-17", empty=True)
    if not given:
        raise Invalid("an empty id names no run", who=who, where="id", expected="a text that is not empty", found="''",
                      instead="look where the id comes from, perhaps a variable that is not set; leave id out to have one made up")
    return given


def seconds(given: timedelta, who: str, where: str) -> float:
    must_be_duration(given, who, where)
    return given.total_seconds()


def seconds_or_none(given: timedelta | None, who: str, where: str) -> float | None:
    return None if given is None else seconds(given, who, where)
