"""Types of steps: checked when they are given, told to who asks, and secrets that no log ever holds."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from perdure import Fatal, RunError, StepType
from perdure.adapters.system.secrets import SecretsInEnvironment
from perdure.eventlog.errors import Invalid
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.definitions.types import RetryLine, Types
from tests.runtime.definitions.describing import PATIENCE, Greet, Greeting, serving, steps

SECRET = 'opens "everything"'  # noqa: S105 - a made-up one


class Key(Struct, frozen=True):
    key: str
    headers: dict[str, str] = {}
    fails: str = ""


class Use(StepType[Key]):
    """Uses a key."""

    name, config = "use", Key
    seen: list[str]

    async def perform(self, config: Key) -> Any:
        self.seen.append(config.key)
        if config.fails == "fatal":
            raise Fatal(f"refused {config.key}")
        if config.fails:
            raise ValueError({"headers": config.headers})
        return {"echo": f"used {config.key}", "plain": "as it is"}


def secretive() -> tuple[Use, Types]:
    use = Use()
    use.seen = []
    return use, Types([use], secrets=SecretsInEnvironment({"PERDURE_SECRET_TOKEN": SECRET}))


@pytest.mark.anyio
@pytest.mark.parametrize(("fails", "told"), [("", ""), ("fatal", "Fatal: refused ***"), ("raise", "ValueError: {'headers': {'a': '***'}}")])
async def test_a_secret_is_known_to_the_attempt_alone(fails: str, told: str) -> None:
    log, (use, types) = MemoryLog(), secretive()
    config = f'{{key: {{secret: TOKEN}}, headers: {{a: {{secret: TOKEN}}}}, fails: "{fails}"}}'
    text = steps(f"- {{id: a, type: use, retry: {{attempts: 1}}, config: {config}}}")
    async with serving(log=log, known=types) as runtime:
        run = await runtime.start_definition(text, id="r")
        if fails:
            with pytest.raises(RunError) as failed:
                await run.result(within=PATIENCE)
            assert told in str(failed.value)
        else:
            assert await run.result(within=PATIENCE) == {"echo": "used ***", "plain": "as it is"}

    assert use.seen == [SECRET]
    assert "opens" not in "".join(record.data.decode() for record in log.streams["run/default/r"])


@pytest.mark.anyio
async def test_a_secret_of_one_tenant_is_none_of_another() -> None:
    _, types = secretive()
    async with serving(known=types) as runtime:
        run = await runtime.start_definition(steps("- {id: a, type: use, config: {key: {secret: TOKEN}}}"), tenant="other")

        with pytest.raises(RunError, match="there is no secret 'TOKEN'"):
            await run.result(within=PATIENCE)


class Spaces(StepType[Greeting]):
    name, config = "has spaces", Greeting


class Taken(StepType[Greeting]):
    name, config = "log", Greeting


class Bare(StepType[Any]):
    name = "bare"


@pytest.mark.parametrize("given", [Spaces(), Taken(), Bare(), "greet"])
def test_what_is_no_type_is_refused_when_it_is_given(given: Any) -> None:
    with pytest.raises(Invalid):
        Types([given])


def test_a_type_is_told_with_its_schema_example_and_defaults() -> None:
    line = next(line for line in Types([Greet()]).lines() if line.name == "greet")

    assert (line.description, line.example, line.min_engine_version) == ("Says hello.", {"whom": "Ada"}, "0.1.0")
    assert (line.timeout_seconds, line.retry_attempts) == (60.0, 3)
    assert line.retry == RetryLine(attempts=3, first=5.0, factor=2.0, longest=3600.0, jitter=0.1)
    assert next(line for line in Types([Greet()]).lines() if line.name == "log").retry is None
    assert line.config_schema["$defs"]["Greeting"]["required"] == ["whom"]


def test_types_of_installed_packages_are_looked_for_once_and_those_given_win() -> None:
    looked: list[int] = []
    ours = Greet()

    def discover() -> list[StepType[Any]]:
        looked.append(1)
        return [Greet(), secretive()[0]]

    types = Types([ours], discover=discover)

    assert not looked
    assert (types.known["greet"], sorted(types.known), looked) == (ours, ["greet", "use"], [1])
    assert types.known["use"].name == "use"
    assert looked == [1]
