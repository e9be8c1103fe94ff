"""The type `prompt` in a definition, to a server on this machine that speaks the protocol of OpenAI, well and badly."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import anyio
import msgspec
import pytest

import perdure
from perdure.adapters.steps.prompt import Prompt
from perdure.eventlog.streams import stream_of
from perdure.runtime.run import events as ev
from tests.adapters.steps.model_server import ANSWER, Models, serving_models
from tests.adapters.webhooks.receiver import open_to

KEY = "sk-very-secret-and-long"
SILENCE = 1.0
"""Seconds that a server which does answer never needs, however slow the machine is."""


@pytest.fixture(scope="module")
def running() -> Generator[Models]:
    with serving_models() as found:
        yield found


@pytest.fixture
def anyio_backend() -> str:
    """One loop for all; another has a test below."""
    return "asyncio"


@pytest.fixture
def models(running: Models, monkeypatch: pytest.MonkeyPatch) -> Models:
    for name, value in open_to(running.port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PERDURE_SECRET_KEY", KEY)
    running.asked.clear()
    running.headers.clear()
    running.bodies.clear()
    return running


def asking(url: str, attempts: int = 2, **config: Any) -> dict[str, Any]:
    """A definition that asks."""
    return {
        "name": "asks", "inputs": {"question": {"type": "string"}},
        "steps": [{
            "id": "ask", "type": "prompt", "retry": {"attempts": attempts, "first": 0.01}, "config": {
                "url": url, "model": "small", "prompt": "${ inputs.question }", "key": {"secret": "KEY"}, **config,
            },
        }],
    }  # fmt: skip


async def asked(definition: dict[str, Any]) -> tuple[Any, str]:
    """(the result, all that the log holds of the run)"""
    async with perdure.open("memory:") as runtime:
        run = await runtime.start_definition(definition, {"question": "When?"})
        try:
            found = await run.result()
        except perdure.RunError as error:
            found = error
        records = [record async for record in runtime.carrier.log.read(stream_of("run", "default", run.id))]
        return found, b"\n".join(bytes(record.data) for record in records).decode()


@pytest.mark.anyio
async def test_an_answer_is_read_as_it_comes_and_its_tokens_are_recorded(models: Models) -> None:
    found, _ = await asked(
        asking(models.at("ok"), system="Be short.", context="All there is.", history=[{"role": "assistant", "content": "Yes?"}],
               options={"temperature": 0, "user": None})
    )  # fmt: skip

    assert found == {
        "text": ANSWER, "model": "small-1-2026", "finish_reason": "stop", "provider": "openai", "id": "c-1",
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }  # fmt: skip
    assert models.bodies == [{
        "model": "small", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0,
        "messages": [
            {"role": "system", "content": "Be short."}, {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "When?\n\nContext:\nAll there is."},
        ],
    }]  # fmt: skip
    assert models.headers[0]["authorization"] == f"Bearer {KEY}"
    assert len(models.headers[0]["idempotency-key"]) == 32


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scenario", "finish", "tokens"), [("plain", "length", 18), ("uncounted", "stop", None), ("cut_behind_the_answer", "stop", None)]
)
async def test_servers_may_answer_at_once_or_count_nothing(models: Models, scenario: str, finish: str, tokens: int | None) -> None:
    found, _ = await asked(asking(models.at(scenario), attempts=1))

    assert (found["text"], found["finish_reason"]) == (ANSWER, finish)
    assert (found["usage"] and found["usage"]["total_tokens"]) == tokens


@pytest.mark.anyio
@pytest.mark.parametrize("scenario", ["away", "cut", "cut_politely", "broken_off", "silent", "much_later"])
async def test_what_may_go_better_is_asked_again_by_another_attempt(models: Models, scenario: str) -> None:
    found, log = await asked(asking(models.at(scenario), silence=SILENCE))

    assert found["text"] == ANSWER
    assert models.asked[scenario] == 2
    assert '"StepFailed"' in log
    assert len({sent["idempotency-key"] for sent in models.headers}) == 1


def test_it_is_the_same_on_trio(models: Models) -> None:
    for scenario in ("ok", "cut", "silent", "busy"):
        found, _ = anyio.run(asked, asking(models.at(scenario), silence=SILENCE), backend="trio")

        assert found["text"] == ANSWER


@pytest.mark.anyio
async def test_a_server_that_says_when_to_come_again_is_asked_again_then(models: Models) -> None:
    found, log = await asked(asking(models.at("busy"), attempts=1))

    assert found["text"] == ANSWER
    assert models.asked["busy"] == 2
    assert '"StepFailed"' not in log


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("declined", r"HTTP 400 \(context_length_exceeded\): this model has a context of 10 tokens"), ("quota", "HTTP 429 .*pay first"),
        ("redirect", "HTTP 302"), ("garbage", "does not speak the protocol"),
    ],
)  # fmt: skip
async def test_what_will_not_go_better_is_asked_once(models: Models, scenario: str, said: str) -> None:
    definition = asking(models.at(scenario))
    del definition["steps"][0]["retry"]
    found, _ = await asked(definition)

    with pytest.raises(perdure.RunError, match=said):
        raise found
    assert models.asked[scenario] == 1


@pytest.mark.anyio
async def test_no_answer_in_time_is_told_as_such(models: Models) -> None:
    models.asked["silent"] = 0
    found, log = await asked(asking(models.at("silent"), attempts=1, seconds=0.2))

    with pytest.raises(perdure.RunError, match="a model did not answer"):
        raise found
    assert "within 0.2 s" in log


@pytest.mark.anyio
async def test_a_key_is_in_no_log_though_the_server_tells_it_and_the_attempt_is_tried_again(models: Models) -> None:
    found, log = await asked(asking(models.at("tells_all")))

    assert found["text"] == ANSWER
    assert "cannot read Bearer ***" in log
    assert '"type":"Unavailable"' in log
    assert KEY not in log


@pytest.mark.anyio
async def test_a_key_that_cannot_be_sent_is_not_told_either(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_SECRET_KEY", f"{KEY}\n")
    found, log = await asked(asking(models.at("ok")))

    with pytest.raises(perdure.RunError, match="a header cannot be sent"):
        raise found
    assert KEY not in log


@pytest.mark.anyio
async def test_no_model_inside_is_asked_unless_that_is_allowed(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_DIAL_PRIVATE")
    found, _ = await asked(asking(models.at("ok")))

    with pytest.raises(perdure.RunError, match="this host is not called"):
        raise found
    assert not models.bodies


@pytest.mark.anyio
@pytest.mark.parametrize(
    "wrong", [{"model": ""}, {"options": {"stream": False}}, {"seconds": 0}, {"silence": 1000}, {"history": [{"role": "x"}]}]
)
async def test_what_does_not_fit_is_refused_when_it_is_applied(wrong: dict[str, Any]) -> None:
    async with perdure.open("memory:") as runtime:
        with pytest.raises(perdure.Invalid):
            await runtime.apply_definition(asking("https://models.example.com/v1", **wrong))
        local = {"id": "a", "type": "prompt", "config": {"prompt": "?", "provider": "local"}}
        await runtime.apply_definition({"name": "a", "steps": [local]})


@pytest.mark.anyio
async def test_the_attempt_says_how_far_the_answer_is(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prompt, "heartbeat", timedelta(seconds=0.4))
    async with perdure.open("memory:") as runtime:
        run = await runtime.start_definition(asking(models.at("silent"), attempts=1), {"question": "When?"})
        with pytest.raises(perdure.RunError, match="the attempt was silent"):
            await run.result()
        stream = stream_of("run", "default", run.id)
        events = [event async for record in runtime.carrier.log.read(stream) for event in ev.CODEC.decode(record.data).events]

    told = [event.details for event in events if isinstance(event, ev.StepHeartbeat)]
    assert msgspec.json.decode(bytes(told[-1])) == {"characters": 5}
