"""The play: documents are taken in, a service is started, a definition is applied, run, followed, approved and told, all through HTTP.

Then the log is verified, and the run driven again from it. Whatever is not as it was promised is an error.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from .....eventlog.errors import Bug
from ....rag.ingesting import Ingested, ingest
from ...logs.verifying import verify_log
from ...looking.questions import replay_run
from .asking import Asking, asking
from .receiver import Arrived, Receiver, receiving
from .stage import Stage, documents, modules
from .telling import Telling

NAME = "ask-the-docs"
RUN = "question-1"
WEBHOOK_WITHIN = 20.0

DEFINITION = """
name: ask-the-docs
inputs:
  question: {type: string}
  receiver: {type: string}
steps:
- id: look
  type: rag_search
  config: {query: "${ inputs.question }", collection: COLLECTIONS, limit: 4}
- id: answer
  type: prompt
  config: {provider: local, prompt: "${ inputs.question }", context: "${ steps.look.output.context }"}
- id: publish
  type: wait_for_approval
  timeout: 10m
  config:
    show:
      question: ${ inputs.question }
      answer: ${ steps.answer.output.text }
      sources: ${ steps.look.output.results.map(found, found.source) }
    policy: {roles: [operator], starter_may: false}
- id: tell
  type: webhook
  config:
    url: ${ inputs.receiver }
    topic: answer.published
    data: {question: "${ inputs.question }", answer: "${ steps.answer.output.text }", by: "${ steps.publish.output.by }"}
- id: note
  type: log
  config: {message: "published by ${ steps.publish.output.by }", fields: {webhook: "${ steps.tell.output }"}}
output:
  answer: ${ steps.answer.output.text }
  sources: ${ steps.look.output.results.map(found, found.source) }
  tokens: ${ steps.answer.output.usage.total_tokens }
  approved_by: ${ steps.publish.output.by }
  webhook: ${ steps.tell.output }
"""


class Story(Struct, frozen=True):
    """All that the demo found."""

    question: str
    result: dict[str, Any]
    documents: int
    passages: int
    events: dict[str, int]
    """How often each type of event came, as server-sent events."""
    approved: dict[str, Any]
    webhook: str
    verified: bool
    """Whether the receiver found the signature of the webhook to hold."""
    records: int
    """Records of the log, verified to the last."""
    replayed: bool
    """Whether the run, driven again from its log, does the same."""
    seconds: float


def play(folder: Path, *, question: str, files: int, telling: Telling) -> Story:
    """Play the whole demo in a folder, which is emptied first."""
    begun = time.monotonic()
    stage = Stage(folder.resolve())
    stage.clear()
    telling.opening(stage.folder)
    taken = take_in(stage, files, telling)
    admin_key = str(stage.ask("keys", "create", "--user", "admin", "--role", "admin")["key"])
    with receiving(stage.webhook_secret) as receiver:
        telling.let_out(stage.let_out(receiver.port))
        with stage.serving() as address, asking(address, admin_key) as admin:
            keys = admin.key_for("ann", "author", "starter"), admin.key_for("bob", "operator")
            telling.serving(address)
            with asking(address, keys[0]) as ann, asking(address, keys[1]) as bob:
                start(ann, receiver, question, [one.collection for one in taken], telling)
                events, approved = follow(ann, bob, telling)
                result = ann.get(f"/runs/{RUN}/result", within="10")["result"]
            arrived = receiver.wait(WEBHOOK_WITHIN)
    must_be_that(arrived, result)
    telling.arrived(arrived)
    log, verdict = anyio.run(verify_log, str(stage.log)), anyio.run(replay_run, str(stage.log), RUN, "default", ())
    if log.verdict != "intact" or not verdict.agrees:
        raise Bug("the log of the demo does not hold", who="the demo", where=str(stage.folder), expected="intact, and a run that agrees",
                  found=f"{log.verdict}, {verdict.agrees}", instead="report it with the folder of the demo")
    story = Story(
        question, result, sum(one.documents for one in taken), sum(one.passages for one in taken), events, approved, arrived.id,
        arrived.verified, log.records, bool(verdict.agrees), round(time.monotonic() - begun, 1),
    )  # fmt: skip
    telling.ending(story.records, verdict.events, result, story.seconds, folder)
    return story


def take_in(stage: Stage, files: int, telling: Telling) -> list[Ingested]:
    """The documents: the docstrings of the standard library, and the documentation of this repository; as `perdure rag ingest` does."""
    given = {"python": modules(files), "perdure": documents()}
    taken = [ingest(stage.index, "default", name, paths) for name, paths in given.items() if paths]
    telling.taken(taken)
    return taken


def start(ann: Asking, receiver: Receiver, question: str, collections: list[str], telling: Telling) -> None:
    """Apply the definition and start a run of it, twice under one key: it is one run."""
    text = DEFINITION.replace("COLLECTIONS", msgspec.json.encode(collections).decode())
    kept = ann.post_yaml("/definitions", text)
    telling.applied(kept["name"], kept["version"], kept["digest"])
    body = {"inputs": {"question": question, "receiver": receiver.url}, "run": RUN}
    runs = {ann.post(f"/definitions/{NAME}/run", body, key="first-question")["run"] for _ in range(2)}
    if runs != {RUN}:
        raise Bug("one start became several runs", who="the demo", expected=RUN, found=", ".join(sorted(runs)), instead="report it")
    telling.started(RUN, question)


def follow(ann: Asking, bob: Asking, telling: Telling) -> tuple[dict[str, int], dict[str, Any]]:
    """(how often each type of event came, what was approved): Ann follows, and Bob approves once he is asked."""
    counted: dict[str, int] = {}
    approved: dict[str, Any] = {}
    for event in ann.follow(RUN):
        counted[event["type"]] = counted.get(event["type"], 0) + 1
        telling.happened(event)
        if event["type"] == "ApprovalRequested":
            approved = approve(bob, telling)
    return counted, approved


def approve(bob: Asking, telling: Telling) -> dict[str, Any]:
    """What Bob finds in his inbox, approved by its digest."""
    (asked,) = bob.get("/approvals", mine="true")["approvals"]
    telling.asked(asked["show"], asked["digest"])
    bob.post(f"/runs/{asked['run']}/approve", {"name": asked["name"], "digest": asked["digest"], "why": "the sources say so"})
    shown: dict[str, Any] = asked["show"]
    return shown


def must_be_that(arrived: Arrived, result: dict[str, Any]) -> None:
    """What came is what the run says it sent, signed by who sent it."""
    data = msgspec.json.decode(arrived.body)["data"]
    if not arrived.verified or arrived.id != result["webhook"] or data["answer"] != result["answer"]:
        raise Bug("the webhook is not the one that was sent", who="the receiver of the demo", expected=f"{result['webhook']}, signed",
                  found=f"{arrived.id}, {'signed' if arrived.verified else 'not signed'}", instead="report it with the folder of the demo")
