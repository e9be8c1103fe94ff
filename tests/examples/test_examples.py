"""Each example runs by itself, and says what it is there to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree

SAID = {
    "expenses": (
        "expenses, version 1\nAda is paid 104.00\nBob is paid 804.00\nnot paid: 'asked' rejected by Eve: twice the same hotel\n"
    ),
    "web_app": (
        'PUT {"order":"o-1","status":"running"}\n'
        'GET {"order":"o-1","status":"running","result":null}\n'
        'POST {"order":"o-1","result":"kettle shipped for o-1"}\n'
        'GET {"order":"o-1","status":"completed","result":"kettle shipped for o-1"}\n'
    ),
    "bank_account": (
        "after a deposit and a withdrawal: 300\nrefused: the account does not hold that much (at most 300)\nafter a restart: 300\n"
    ),
    "rate_limit": "of 5 calls at once 2 were refused: too many calls (3 at once, then one every 0.25 s)\na moment later one more passes\n",
    "hello": "the first time:\n  greeting world\n  shouting\n  HELLO, WORLD!\nthe second time:\n  HELLO, WORLD!\n",
    "signal_and_timeout": "'On lasting' is published, says Ada\n'On haste' was forgotten\n",
    "approval_with_escalation": (
        "order-1: shipped, approved by Ada\norder-2: shipped, approved by Bob after Ada let it expire\n"
        "order-3: not shipped: too dear, says Ada\n"
    ),
    "four_eyes": (
        "Ada of finance says yes\nAda of finance may not: Ada has approved already, and counts once\n"
        "Olga of board may not: Olga, in a role of board\nevent 4: now the board may, too\nOlga of board says yes\n"
        "120000 cents for o-1 are on their way, say Ada and Olga\n"
    ),
    "order_saga": (
        "short failed: step 'reserve' failed: Fatal: no cup left\n  charge Ada 1800, reserve kettle, put back kettle@shelf-3, refund\n"
        "late cancelled\n  charge Bob 900, reserve kettle, put back kettle@shelf-3, refund\n"
    ),
    "agent_loop": "A kettle and a cup are 3200 cents\nWhat goes on for ever? no answer after 6 calls\n",
    "nightly_batch": (
        "the process ends: running\n297 statements sent, 3 refused, the first of them night-1/0.99/0\nits log says: failed\n"
    ),
    "subscription": "Ada left: too many kettles\n",
    "migration_in_flight": (
        "not to version 3: the log has nothing, the code wants step 'thank' as 0\nkept in brown paper\n"
        "moved in gift paper, thanks for moved\nnew in gift paper, thanks for new\n"
    ),
    "order_with_retries": "order-1: receipt for order-1, attempt 3\norder-2: order-2 refunded: no such item\nbooked 2 times\n",
}

TOLD = {"agent_loop": "RuntimeError: no answer after 6 calls\n"}
"""How their error stream ends, where their own code fails on purpose; all others say nothing there."""

ARGUMENTS = {"nightly_batch": ["300"]}
"""Smaller than by themselves."""


def test_every_example_is_run_here() -> None:
    assert {path.stem for path in (tree.ROOT / "examples").glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_an_example_says_what_it_is_there_to_show(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(tree.ROOT / "examples" / f"{name}.py"), *ARGUMENTS.get(name, [])]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert told.stdout == SAID[name]
    assert told.stderr.endswith(TOLD[name]) if name in TOLD else not told.stderr
    assert list(tmp_path.iterdir()) == []
