"""Settings of a runtime come from its environment, and what does not fit is Invalid."""

from __future__ import annotations

import pytest

import perdure
from perdure import Invalid, step, workflow
from perdure.runtime.settings.node import Settings
from tests.laws.node import PATIENCE


@step
async def add(a: int, b: int) -> int:
    return a + b


@workflow
async def total(a: int, b: int = 2, c: int = 3) -> int:
    return await add(await add(a, b), c)


def test_the_environment_names_how_many_steps_run_at_once() -> None:
    assert Settings.of({"WORKER_CONCURRENCY": "7"}).worker_concurrency == 7
    assert Settings.of({}).worker_concurrency == Settings().worker_concurrency == 100


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "²", "٣", "9" * 5000])
def test_a_number_of_workers_that_is_none_is_invalid(text: str) -> None:
    with pytest.raises(Invalid, match="a setting does not fit") as caught:
        Settings.of({"WORKER_CONCURRENCY": text})

    assert (caught.value.who, caught.value.found) == ("WORKER_CONCURRENCY", repr(text))


def test_the_environment_names_how_often_an_actor_is_audited() -> None:
    assert Settings.of({"AUDIT_SECONDS": "0.5"}).audit_seconds == 0.5
    assert Settings.of({"AUDIT_SECONDS": "0"}).audit_seconds == 0
    assert Settings.of({}).audit_seconds == Settings().audit_seconds > 0
    for text in ("-1", "often", "nan", "inf"):
        with pytest.raises(Invalid, match="a setting does not fit"):
            Settings.of({"AUDIT_SECONDS": text})


@pytest.mark.parametrize(("text", "found"), [("1", True), ("true", True), ("on", True), ("0", False), ("No", False), ("", False)])
def test_a_switch_is_said_as_everywhere(text: str, *, found: bool) -> None:
    assert Settings.of({"WATCH_WORKFLOWS": text}).watch_workflows is found
    with pytest.raises(Invalid, match="a setting does not fit"):
        Settings.of({"WATCH_WORKFLOWS": "perhaps"})


@pytest.mark.anyio
async def test_an_opened_runtime_takes_the_number_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_CONCURRENCY", "5")
    async with perdure.open("memory:", workflows=[total]) as runtime:
        assert runtime.pool.concurrency == 5
        assert await (await runtime.start(total, 1)).result(within=PATIENCE) == 6
