"""`perdure approvals`, `approve`, `reject` and `skip`: what a person decides, seen first and recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

import perdure
from perdure.adapters.cli.shared.console import console
from perdure.adapters.cli.shared.loading import load_workflows
from perdure.adapters.cli.steering.drawing import draw_told
from perdure.adapters.cli.steering.telling import Told
from tests.adapters.cli.calling import Here, Said

ORDERS = """
from pathlib import Path

from datetime import timedelta

from perdure import ApprovalPolicy, CompleteLater, Escalation, approval, current, step, workflow

CLERKS = ApprovalPolicy(users=("ada",), roles=("clerk",), quorum=2, escalation=(Escalation(after=timedelta(days=1), roles=("owner",)),))


@step
async def receipt() -> str:
    Path(__file__).with_name("token").write_text(current().token)
    raise CompleteLater


@workflow
async def ships() -> str:
    return (await approval("ship", show={"cents": 1200})).outcome


@workflow
async def refunds() -> list[str]:
    return [voice.by for voice in (await approval("refund", policy=CLERKS)).voices]


@workflow
async def pays() -> str:
    return await receipt()
"""

Say = Callable[..., Said]


@pytest.fixture
def say(here: Here, tmp_path: Path) -> Say:
    """The command line on a log in which run `s` asks something and run `p` waits for its step."""
    (tmp_path / "orders.py").write_text(ORDERS)
    module, log = str(tmp_path / "orders.py"), f"{tmp_path / 'orders.db'}"

    async def begin() -> None:
        known = {flow.name: flow for flow in load_workflows(module)}
        async with perdure.open(f"sqlite:///{log}", workflows=known.values()) as runtime:
            await runtime.start(known["ships"], id="s")
            run = await runtime.start(known["pays"], id="p")
            with anyio.fail_after(10):
                while (await run.look()).version < 3:  # noqa: ASYNC110 - what is waited for has no event
                    await anyio.sleep(0.01)

    anyio.run(begin)

    def call(*arguments: str, code: bool = True) -> Said:
        return here(*arguments, "--log", log, *(["--module", module] if code else []), "--json")

    return call


@pytest.mark.parametrize(("word", "outcome"), [("approve", "approved"), ("reject", "rejected")])
def test_an_approval_is_listed_and_decided_by_the_digest_of_what_it_shows(say: Say, word: str, outcome: str) -> None:
    (asked,) = say("approvals", code=False).json
    assert (asked["run"], asked["name"], asked["show"]) == ("s", "ship", {"cents": 1200})
    assert say("approvals", "s", code=False).json == [asked]
    assert say("approvals", "p", code=False).json == []

    told = say(word, "s", "ship", "--by", "ada", "--why", "seen", "--digest", asked["digest"])

    assert (told.json["told"], told.json["status"]) == (outcome, "completed")
    events = [event for event in say("show", "s", code=False).json["moments"] if event["what"] == outcome]
    assert [event["text"] for event in events] == ["ship 0 by ada: seen"]
    assert say("approvals", code=False).json == []


def test_a_decision_is_answered_by_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    told = Told(run="s", told="approved", version=7, status="running", served=True)

    draw_told(console(), told)
    draw_told(console(), replace(told, told="pause"))

    assert capsys.readouterr().out.splitlines() == [
        "✓ approved at version 7 of s, which is running", "✓ pause applied at version 7 of s, which is running",
    ]  # fmt: skip


def test_nobody_decides_on_what_they_did_not_see(say: Say) -> None:
    assert say("approve", "s", "ship", "--by", "ada", "--digest", "0" * 64).code != 0
    assert say("approve", "s", "ship", "--by", "ada").code != 0
    assert len(say("approvals", code=False).json) == 1


def test_a_step_is_skipped_with_a_value_that_fits(say: Say) -> None:
    assert say("skip", "p", "receipt", "12", "--by", "ada").code != 0

    told = say("skip", "p", "receipt", '"receipt 12"', "--by", "ada", "--why", "paid by telephone")

    assert told.json["status"] == "completed"
    (line,) = [event["text"] for event in say("show", "p", code=False).json["moments"] if event["what"] == "step skipped"]
    assert line == 'receipt 0 = "receipt 12" by ada: paid by telephone'


@pytest.mark.parametrize(("words", "status"), [(["complete", '"receipt 12"'], "completed"), (["fail", "no money"], "failed")])
def test_a_step_is_ended_by_the_token_that_it_handed_out(say: Say, tmp_path: Path, words: list[str], status: str) -> None:
    token = (tmp_path / "token").read_text()
    word, what = words
    told = say(word, token, what)

    assert (told.json["run"], told.json["status"]) == ("p", status)
    assert say(word, token, what).json["version"] == told.json["version"]
    assert say(word, "abc", what).error["error"] == "invalid"


def test_what_does_not_fit_ends_no_step(say: Say, tmp_path: Path) -> None:
    token = (tmp_path / "token").read_text()

    assert say("complete", token, "12").error["error"] == "invalid"
    assert say("complete", token, '"receipt 12"', code=False).code == 2


def test_an_inbox_is_ones_own_and_a_policy_is_kept_on_the_command_line(here: Here, tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(ORDERS)
    module, log = str(tmp_path / "orders.py"), str(tmp_path / "orders.db")

    async def begin() -> None:
        (flow,) = [flow for flow in load_workflows(module) if flow.name == "refunds"]
        async with perdure.open(f"sqlite:///{log}", workflows=[flow]) as runtime:
            await runtime.start(flow, id="r")
            await runtime.run("r").approvals()

    anyio.run(begin)
    inboxes = [here("approvals", *who, "--log", log, "--json").json for who in (
        ("--by", "ada"), ("--by", "carl", "--role", "clerk"), ("--by", "olga", "--role", "owner"),
    )]  # fmt: skip
    digest = inboxes[0][0]["digest"]

    def approve(*who: str) -> Said:
        return here("approve", "r", "refund", "--digest", digest, *who, "--module", module, "--log", log, "--json")

    first, again, olga = approve("--by", "ada"), approve("--by", "ada"), approve("--by", "olga", "--role", "owner")
    drawn, shown = here("approvals", "--log", log).out, here("show", "r", "--log", log).out
    last = approve("--by", "carl", "--role", "clerk")

    assert [[one["run"] for one in inbox] for inbox in inboxes] == [["r"], ["r"], []]
    assert [one.code for one in (first, again, olga, last)] == [0, 3, 3, 0]
    assert last.json["status"] == "completed"
    assert [text in drawn for text in ("ada or one in a role of clerk", "2, given by ada", "owner from")] == [True] * 3
    assert "given by ada" in shown
