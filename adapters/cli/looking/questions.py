"""Read-only questions to a log. They take no lock and own nothing, so they work beside whoever serves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ....eventlog.errors import NotFound
from ....eventlog.log import Summary
from ....eventlog.records import Record
from ....eventlog.search import Condition, Search
from ....eventlog.streams import parts_of, prefix_of, stream_of
from ....runtime.artifacts import artifact_in
from ....runtime.authoring.words import moment
from ....runtime.definitions.replaying import CodeAtHand
from ....runtime.inspect.replay import Verdict, fold, judged
from ....runtime.kinds.quarantine import NAME as QUARANTINE
from ....runtime.kinds.quarantine import QUARANTINED, quarantined_by
from ....runtime.listing import DEAD, QUARANTINED_MAX
from ....runtime.requests import OpenApproval
from ....runtime.run.state import artifacts_of
from ....runtime.translating import open_approval
from ....runtime.where import conditions
from ...system.clock import SystemClock
from ..shared.loading import listed, suggestion
from ..shared.places import Views, views_of

STATUSES = (
    "delayed", "running", "paused", "suspended", "completed", "failed", "cancelled", "terminated", "timed_out", "quarantined", "moved",
)  # fmt: skip
ASKING_MAX = 100
"""Runs whose approvals are listed at once."""
NEAR = 1000
"""Runs among which a mistyped id is looked for."""


class RunLine(Struct, frozen=True):
    """One run in a list."""

    run: str
    workflow: str
    status: str
    started_at: datetime
    changed_at: datetime
    wake_at: datetime | None
    attributes: Raw
    tenant: str


class EventLine(Struct, frozen=True):
    """One event: where and when it stands, and the event itself as it is stored."""

    version: int
    at: datetime
    epoch: int
    event: dict[str, Any]

    def flat(self) -> dict[str, Any]:
        """All of it on one level, `type` right behind `at`. A version that the event tells of is its workflow's, and is called so."""
        event = {"workflow_version" if name == "version" else name: value for name, value in self.event.items()}
        return {"version": self.version, "at": self.at, **event, "epoch": self.epoch}


async def list_runs(log: str, status: str | None, limit: int, where: str = "", *, dead: bool = False) -> list[RunLine]:
    """The newest runs first; with `dead` the dead letters alone. A quarantined run is listed as such, whatever its head says."""
    wanted = Search(conditions(where) if where else (), "run/")
    async with views_of(log) as views:
        quarantined = await _quarantined(views, wanted)
        found = {stream: run_line(summary, QUARANTINED) for stream, summary in quarantined.items()}
        for each in DEAD if dead else () if status == QUARANTINED else (status,):
            some = await views.find(msgspec.structs.replace(wanted, status=each), limit=limit + len(quarantined))
            found = {one.stream: run_line(one, one.head.status) for one in some} | found
    lines = sorted(found.values(), key=lambda line: line.started_at, reverse=True)
    return [line for line in lines if dead or status in (None, line.status)][:limit]


async def _quarantined(views: Views, wanted: Search) -> dict[str, Summary]:
    """The runs that are quarantined, and that are wanted apart from their status."""
    known = await views.find(Search(prefix=f"{QUARANTINE}/", status=QUARANTINED, title="run"), limit=QUARANTINED_MAX)
    heads = [await views.head(quarantined_by(about.head)) for about in known]
    return {head.stream: head for head in heads if head is not None and wanted.wants(head.stream, head.head)}


def run_line(summary: Summary, status: str) -> RunLine:
    head = summary.head
    wake_at = moment(head.wake_at) if head.wake_at else None
    _, tenant, run = parts_of(summary.stream)
    began, changed = moment(head.started_at), moment(head.changed_at)
    return RunLine(run, head.title, status, began, changed, wake_at, Raw(bytes(head.attributes)), tenant)


async def records_of(log: str, run: str, tenant: str = "default") -> Sequence[Record]:
    """The records of a run, their chain verified; NotFound names what is near."""
    async with views_of(log) as views:
        return await _records(views, run, tenant)


async def _records(views: Views, run: str, tenant: str = "default") -> Sequence[Record]:
    found = await views.records(stream_of("run", tenant, run)) if run else ()
    if found:
        return found
    known = [parts_of(summary.stream)[2] for summary in await views.newest(prefix=prefix_of("run", tenant), limit=NEAR)]
    raise NotFound(
        "there is no such run",
        who=f"run {run!r}",
        where=views.place,
        expected=listed(known, 5) or "a run: this log holds none yet",
        found="no such id",
        instead=suggestion(run, known) or "list them with 'perdure runs'",
    )


def events_of(records: Sequence[Record]) -> Iterator[EventLine]:
    """The events of a run as they are stored, whether this build knows them or not."""
    for record in records:
        batch: dict[str, Any] = msgspec.json.decode(record.data)
        for version, event in enumerate(batch["events"], record.first):
            yield EventLine(version, moment(batch["at"]), batch["epoch"], event)


async def open_approvals(log: str, run: str, tenant: str, by: str = "", roles: Sequence[str] = ()) -> list[OpenApproval]:
    """What a run asks people now; without a run, what the newest runs that ask something do. With `by` only what they may decide."""
    async with views_of(log) as views:
        runs = [run]
        if not run:
            asking = Search((Condition("perdure.asks", "=", value=True),), prefix_of("run", tenant))
            runs = [parts_of(summary.stream)[2] for summary in await views.find(asking, limit=ASKING_MAX)]
        found = {each: fold(stream_of("run", tenant, each), await _records(views, each, tenant)) for each in runs}
    asked = [open_approval(each, id, one, facts.by) for each, facts in found.items() for id, one in facts.approvals.items()]
    return [one for one in asked if not by or one.may(by, roles, moment(SystemClock().now()))]


class ArtifactLine(Struct, frozen=True):
    """One artifact of a run; `gone` says since when its content is kept no longer."""

    name: str
    size: int
    digest: str
    gone: datetime | None


async def artifacts_of_run(log: str, run: str, tenant: str) -> list[ArtifactLine]:
    """What the run has stored, by name."""
    known = artifacts_of(fold(stream_of("run", tenant, run), await records_of(log, run, tenant)))
    return [ArtifactLine(name, one.size, one.digest, moment(one.gone) if one.gone else None) for name, one in sorted(known.items())]


async def write_artifact(log: str, run: str, tenant: str, name: str, out: BinaryIO) -> None:
    """Write the content of an artifact, chunk by chunk."""
    stream = stream_of("run", tenant, run)
    async with views_of(log) as views:
        found = artifact_in(artifacts_of(fold(stream, await _records(views, run, tenant))), run, name)
        async for chunk in views.read(stream, found.blob):
            out.write(chunk)
    out.flush()


async def replay_run(log: str, run: str, tenant: str, modules: Sequence[str]) -> Verdict:
    """Refold a run and, where its code is at hand, drive it; NotFound where modules are named that do not hold it.

    Runs of definitions need none, but for the steps and workflows that are code which they name.
    """
    code, stream = code_in(modules), stream_of("run", tenant, run)
    async with views_of(log) as views:
        verdict = await judged(stream, await _records(views, run, tenant), code.registry, views)
    is_known = code.registry.find(verdict.workflow, verdict.version) is not None
    if is_known and (verdict.agrees or not code.missing):
        return verdict
    if not modules:
        return replace(verdict, agrees=None, difference={})
    raise NotFound(
        "the module does not hold the workflow of the run" if not is_known else "the module does not hold what the definition names",
        who=f"run {run!r}",
        where="MODULE",
        expected=code.missing[0] if is_known else f"workflow {verdict.workflow!r} version {verdict.version}",
        found=code.registry.names() or "no workflow",
        instead="name the module that the run was started with",
    )


def code_in(modules: Sequence[str]) -> CodeAtHand:
    """What modules hold of what runs name."""
    from ..shared.loading import load_module, workflows_of
    from ..shared.offering import types_in

    return CodeAtHand(dict.fromkeys(flow for module in modules for flow in workflows_of(load_module(module))), types_in(modules))
