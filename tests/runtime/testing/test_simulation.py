"""Simulation for users: their workflow, with a crash after every append."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import anyio
import pytest

import perdure
from perdure.actors.auditing import Refold
from perdure.testing import Simulation, Violation, Weather

shipped: list[str] = []
unsteady: list[int] = []


@perdure.step(retry=perdure.Retry(attempts=3, first=timedelta(seconds=5)))
async def charge(order: str, cents: int) -> str:
    await anyio.sleep(2)
    if perdure.current().attempt < 2:
        raise ValueError("the bank is busy")
    return f"receipt of {order} over {cents}"


@perdure.step
def ship(order: str) -> str:
    shipped.append(perdure.current().idempotency_key)
    return "shipped"


@perdure.workflow
async def fulfil(order: str, cents: int) -> list[str]:
    receipt = await charge(order, cents)
    paid = await perdure.signal("paid", bool)
    await perdure.sleep(timedelta(hours=1))
    first, second = await perdure.gather(ship(f"{order}/a"), ship(f"{order}/b"))
    return [receipt, str(paid), first, second, str(perdure.random().randrange(10**6))]


@perdure.step
async def count() -> int:
    unsteady.append(1)
    return len(unsteady)


@perdure.workflow
async def different_every_time() -> int:
    return await count()


@perdure.workflow
async def waits_for_ever() -> None:
    await perdure.signal("never")


def test_a_workflow_survives_a_crash_after_every_append() -> None:
    shipped.clear()
    outcome = Simulation(1).run(fulfil, "o-1", 1200, crash_after_every_append=True, signals=[(30.0, "paid", True)], same_as_without=False)

    assert outcome.value is not None
    assert outcome.value[:4] == ["receipt of o-1 over 1200", "True", "shipped", "shipped"]
    assert outcome.crashes >= 6
    assert outcome.elapsed > timedelta(hours=1)
    assert len(set(shipped)) == 2


def test_it_does_the_same_as_without_crashes() -> None:
    calm = Simulation(1).run(fulfil, "o-1", 1200, signals=[(30.0, "paid", True)])
    crashed = Simulation(1).run(fulfil, "o-1", 1200, crash_after_every_append=True, signals=[(30.0, "paid", True)])

    assert (calm.crashes, calm.value, calm.content_digest) == (0, crashed.value, crashed.content_digest)


def test_the_same_seed_gives_the_same_history() -> None:
    histories = {
        Simulation(7, nodes=3).run(fulfil, "o-1", 1, crash_at_random=True, signals=[(1.0, "paid", True)]).history_digest for _ in range(2)
    }

    assert len(histories) == 1


@pytest.mark.parametrize("seed", range(5))
def test_crashes_at_random_on_several_nodes_change_nothing(seed: int) -> None:
    outcome = Simulation(seed, nodes=3).run(fulfil, "o-1", 1, crash_at_random=True, signals=[(1.0, "paid", False)])

    assert outcome.status == "completed"


def test_any_weather_can_be_asked_for() -> None:
    weather = Weather(log={"lost_reply": 0.4, "slow_before": 0.4}, nodes={"pause": 0.5}, seconds=20)
    outcome = Simulation(3, nodes=2).run(fulfil, "o-1", 1, weather=weather, signals=[(1.0, "paid", True)])

    assert outcome.status == "completed"


def test_a_step_that_answers_otherwise_each_time_is_told() -> None:
    with pytest.raises(Violation, match="something else than without faults"):
        Simulation(1).run(different_every_time, crash_after_every_append=True)


def test_a_run_that_never_ends_is_told_with_its_events() -> None:
    with pytest.raises(Violation, match="has not ended within 1:00:00") as error:
        Simulation(1).run(waits_for_ever, within=timedelta(hours=1))

    assert "RunStarted" in str(error.value)


def test_only_a_workflow_can_be_simulated() -> None:
    with pytest.raises(perdure.Invalid, match="only a workflow can be simulated"):
        Simulation(1).run(count)


def test_what_is_kept_in_memory_is_audited_where_that_is_asked_for() -> None:
    calm = Simulation(5).run(fulfil, "o-1", 1200, signals=[(30.0, "paid", True)])
    audited = Simulation(5, audit=True).run(fulfil, "o-1", 1200, signals=[(30.0, "paid", True)])

    assert audited.content_digest == calm.content_digest
    with patch.object(Refold, "digest", return_value="another"), pytest.raises(Violation, match="an audit found: Differed"):
        Simulation(5, audit=True).run(fulfil, "o-1", 1200, signals=[(30.0, "paid", True)])
