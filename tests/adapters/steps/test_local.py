"""The provider `local`: sentences of the context, always the same; and that it says that it is no model."""

from __future__ import annotations

from typing import Any

import pytest

import perdure
from perdure.adapters.steps.local import EMPTY, MODEL, NOTHING, answer

CONTEXT = """[1] Paying (pay.md)
# Paying

Invoices are paid within 30 days. Whoever pays earlier is thanked.

[2] Shipping (ship.md)
Orders with unpaid invoices wait. Ships leave on Mondays."""


def test_the_sentences_that_have_the_most_words_of_the_question_are_the_answer() -> None:
    told = answer("Within how many days is an invoice paid?", CONTEXT)

    assert told.text == "Invoices are paid within 30 days. [1]"
    assert (told.model, told.provider, told.finish_reason) == (MODEL, "local", "stop")
    assert told.usage is not None
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens
    assert answer("When do ships leave?", CONTEXT).text == "Ships leave on Mondays. [2]"
    assert answer("When do ships leave?", "Ships leave on Mondays.").text == "Ships leave on Mondays."


def test_where_nothing_answers_it_says_so() -> None:
    assert answer("What is love?", CONTEXT).text == NOTHING
    assert answer("What is love?", "").text == EMPTY


@pytest.mark.anyio
async def test_it_needs_no_model_no_key_and_no_network() -> None:
    step: dict[str, Any] = {"id": "ask", "type": "prompt", "config": {"provider": "local", "prompt": "${ inputs.q }", "context": CONTEXT}}
    async with perdure.open("memory:") as runtime:
        run = await runtime.start_definition({"name": "asks", "inputs": {"q": {}}, "steps": [step]}, {"q": "When do ships leave?"})

        assert (await run.result())["text"] == "Ships leave on Mondays. [2]"
