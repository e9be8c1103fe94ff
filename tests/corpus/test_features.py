"""Every feature that a workflow can use is in the corpus: which case has it, and that nothing is missing here."""

from __future__ import annotations

from msgspec.structs import fields

import perdure
from perdure import Limit, Retry
from perdure.runtime.authoring.rules import Rules
from perdure.runtime.run import events as ev
from tests.corpus.carriers import InMemory
from tests.corpus.case import Case
from tests.corpus.cases import CASES
from tests.corpus.release import play
from tests.corpus.uses import KINDS, uses
from tests.corpus.virtual import on_asyncio

BY_NAME = {case.name: case for case in CASES}

WORDS = {
    "approval": "refund", "ApprovalExpired": "nobody_cares", "ApprovalPolicy": "four_eyes", "Escalation": "four_eyes",
    "artifact": "stores", "attach": "attaches", "attributes": "diary", "cancel_run": "tells_others",
    "Cancelled": "resists", "child": "school", "ChildError": "forgives", "CompleteLater": "ended_from_outside",
    "continue_as": "subscription", "current": "persistent", "Fatal": "hopeless", "first_of": "quickest", "gather": "nested",
    "handling": "orders", "info": "diary", "Interrupted": "once_only", "log": "diary", "logger": "prints", "NotFound": "tells_others",
    "now": "naps", "on_query": "account", "on_signal": "tally", "on_update": "account", "patched": "patched_in_branches",
    "random": "chance", "saga": "trip", "signal": "mail", "signal_run": "tells_others", "sleep": "naps", "sleep_until": "naps",
    "start_child": "held_by_a_handle", "StepError": "compensated", "task_group": "group_fails", "timeout": "limits", "uuid": "chance",
    "wait_until": "tally",
}  # fmt: skip
"""Words of `perdure` that code of a run speaks."""

NOT_SPOKEN = {
    "Artifact", "ArtifactSettings", "Attempt", "Bug", "ChildHandle", "Codec", "Condition", "Conflict", "Corrupt", "Decision", "Diverged",
    "Event", "First", "ForeignAwait", "Gone", "HandlerError", "Invalid", "Kind", "Limit", "LogContext", "OpenApproval", "PerdureError",
    "Ref", "Refused", "Retry", "RunError", "RunHandle", "Runtime", "Settings", "StepType", "TooLarge", "Trigger", "Unavailable", "asgi",
    "connect", "open", "step", "work_for", "workflow",
}  # fmt: skip
"""Its other words: decorators and their policies (below), types of what the words above give, and what a program says outside of runs."""

RULES = {
    "retry": "persistent", "timeout": "slow", "overall": "limits_of_attempts", "start_within": "limits_of_attempts",
    "heartbeat_timeout": "told_the_next", "at_most_once": "once_only", "limit": "few_at_once", "executor": "in_another_process",
    "raises": "stock", "needs": "prints", "queue": "prints", "transactional": "keeps_books",
    "retry.attempts": "persistent", "retry.first": "persistent", "retry.factor": "prints", "retry.longest": "skipped",
    "retry.jitter": "prints", "retry.on": "choosy", "retry.never_on": "choosy",
    "limit.name": "few_at_once", "limit.concurrency": "few_at_once", "limit.rate": "two_a_minute", "limit.key": "one_for_each",
}  # fmt: skip
"""Options of `@step`, and the fields of the policies among them."""

FROM_OUTSIDE = {
    "start": "attaches", "signal": "mail", "signal_or_start": "doorkeeper", "update": "account", "query": "account",
    "cancel": "cancelled_deep", "terminate": "killed_off", "pause": "paused_in_the_middle", "freeze": "paused_with_its_deadline",
    "resume": "paused_in_the_middle", "pause_all": "rests_with_its_children", "resume_all": "rests_with_its_children",
    "retry": "failed_and_retried", "upgrade": "moved", "approved": "refund", "rejected": "two_keys",
    "complete": "ended_from_outside", "fail": "ended_from_outside", "skip": "skipped",
    "start(delay)": "delayed_start", "start(deadline)": "past_its_deadline", "start(signal)": "rung", "start(on_end)": "announced",
}  # fmt: skip
"""What others do to a run."""

EVENTS = {
    "RunStarted": "line", "RunDelayed": "delayed_start", "Continued": "subscription", "StepScheduled": "line", "StepStarted": "once_only",
    "StepHeartbeat": "told_the_next", "StepDeferred": "ended_from_outside", "StepCompleted": "line", "StepFailed": "persistent",
    "StepSkipped": "skipped", "TimerSet": "naps", "TimerFired": "naps", "EffectsAbandoned": "tidy_losers", "SignalReceived": "mail",
    "ApprovalRequested": "refund", "ApprovalGiven": "four_eyes", "ApprovalEscalated": "four_eyes", "ApprovalDecided": "refund",
    "SignalSent": "tells_others", "CancelSent": "tells_others",
    "UpdateAccepted": "account", "UpdateCompleted": "account", "AttributesSet": "diary", "Logged": "diary",
    "CancelRequested": "cancelled_deep", "Paused": "paused_in_the_middle", "Resumed": "paused_in_the_middle",
    "RetryRequested": "failed_and_retried", "Patched": "patched_in_branches", "Upgraded": "moved", "RunCompleted": "line",
    "RunFailed": "hopeless", "RunCancelled": "cancelled_deep", "RunTerminated": "killed_off", "RunTimedOut": "past_its_deadline",
    "ChildScheduled": "held_by_a_handle", "AttachScheduled": "attaches", "ChildStarted": "held_by_a_handle", "Attached": "attaches",
    "ChildEnded": "held_by_a_handle", "ChildReleased": "leaves_them", "Watched": "attaches", "Unwatched": "held_by_a_handle",
    "EndAnnounced": "announced", "ChildrenTold": "rests_with_its_children", "ChildHeard": "rests_with_its_children",
}  # fmt: skip
"""What a run can have in its log."""

NOT_OF_A_CLEAN_RUN = {"Recovered", "Suspended", "MovedOut", "MovedIn", "MovedBack", "ArtifactsReleased", "ArtifactsRemoved"}
"""What only a kill, a move to another log, code that disagrees, or the days behind its end, put there."""


def test_a_word_is_spoken_by_its_case() -> None:
    assert {word for word, name in WORDS.items() if word not in uses(BY_NAME[name])} == set()


def test_an_option_of_steps_is_used_by_its_case() -> None:
    assert {rule for rule, name in RULES.items() if f"step({rule})" not in uses(BY_NAME[name])} == set()


def test_what_others_do_to_runs_is_done_in_its_case() -> None:
    assert {what for what, name in FROM_OUTSIDE.items() if what not in uses(BY_NAME[name])} == set()


def test_an_event_is_in_the_log_of_its_case() -> None:
    logs = {name: recorded(BY_NAME[name]) for name in set(EVENTS.values())}

    assert {event for event, name in EVENTS.items() if event not in logs[name]} == set()


def test_nothing_is_missing() -> None:
    rules = {field.name for field in fields(Rules)}
    policies = {f"{name}.{field.name}" for name, policy in (("retry", Retry), ("limit", Limit)) for field in fields(policy)}

    assert set(WORDS) | NOT_SPOKEN == set(perdure.__all__)
    assert set(RULES) == rules | policies
    assert set(FROM_OUTSIDE) == {*KINDS, "start(delay)", "start(deadline)", "start(signal)", "start(on_end)"}
    assert set(EVENTS) | NOT_OF_A_CLEAN_RUN == {event.__name__ for event in ev.RUN_EVENTS}


def recorded(case: Case) -> set[str]:
    """The events of all runs of a case."""
    place = InMemory()
    on_asyncio(lambda clock: play(case.play(2), place, clock))
    runs = [record for stream, records in place.log.streams.items() if stream.startswith("run/") for record in records]
    return {type(event).__name__ for record in runs for event in ev.CODEC.decode(record.data).events}
