"""Lists over many runs, from the index of heads: no run is folded to be listed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from ..eventlog.errors import Invalid, PerdureError
from ..eventlog.log import Carrier, Summary
from ..eventlog.search import Condition, Search
from ..eventlog.streams import escape, parts_of, stream_of
from .authoring.words import moment
from .handle import RunHandle
from .requests import OpenApproval
from .where import Where, conditions

LIMIT_MAX = 1000
ASKS = Condition("perdure.asks", "=", value=True)
"""What the head of a run says while it asks people something."""


class RunLine(Struct, frozen=True):
    """A run in a list."""

    run: str
    workflow: str
    status: str
    started: datetime
    changed: datetime
    attributes: dict[str, Any]


class RunPage(Struct, frozen=True):
    """Some of the runs, in the order of their ids; `after` asks for the next page, and is None on the last."""

    runs: list[RunLine]
    after: str | None


class ApprovalPage(Struct, frozen=True):
    """Approvals that are open in many runs. `unread`: runs that could not be asked, and why."""

    approvals: list[OpenApproval]
    after: str | None
    unread: dict[str, str]


class Listing(ABC):
    """The lists of a runtime, which gives its carrier and its handles of runs."""

    carrier: Carrier

    @abstractmethod
    def run(self, id: str, *, tenant: str = "default") -> RunHandle[Any]: ...

    async def runs(
        self, *, where: Where = (), status: str | None = None, workflow: str | None = None,
        tenant: str = "default", after: str | None = None, limit: int = 100,
    ) -> RunPage:  # fmt: skip
        """A page of the runs whose attributes meet all conditions, in the order of their ids; none is woken or folded for it.

        `where`: `"customer = 'c-7' and amount > 2"`, or `{"customer": "c-7"}`, or a list of `Condition`. Go on with `after=page.after`.
        """
        page, behind = await self._page(Search(conditions(where), status=status, title=workflow), tenant, after, limit)
        return RunPage([_line(summary) for summary in page], behind)

    async def approvals(self, *, tenant: str = "default", after: str | None = None, limit: int = 100) -> ApprovalPage:
        """What all runs ask people now, a page of at most `limit` runs at a time; go on with `after=page.after`."""
        page, behind = await self._page(Search((ASKS,)), tenant, after, limit)
        asked: dict[str, list[OpenApproval]] = {parts_of(summary.stream)[2]: [] for summary in page}
        unread: dict[str, str] = {}

        async def ask(run: str) -> None:
            try:
                asked[run] = (await self.run(run, tenant=tenant).look()).approvals
            except PerdureError as error:  # one run that cannot be read must not hide what the others ask
                unread[run] = error.message

        async with anyio.create_task_group() as group:
            for run in asked:
                group.start_soon(ask, run)
        return ApprovalPage([approval for found in asked.values() for approval in found], behind, unread)

    async def _page(self, search: Search, tenant: str, after: str | None, limit: int) -> tuple[Sequence[Summary], str | None]:
        """(the summaries of runs of the tenant, where the next page begins)"""
        if not 1 <= limit <= LIMIT_MAX:
            raise Invalid("a page holds some runs and not all", who="limit", expected=f"1 to {LIMIT_MAX}", found=str(limit),
                          instead="go on with after=page.after")
        search = msgspec.structs.replace(search, prefix=f"run/{escape(tenant)}/")
        behind = stream_of("run", tenant, after) if after else ""
        found = await self.carrier.heads.find(search, after=behind, limit=limit + 1)
        return found[:limit], parts_of(found[limit - 1].stream)[2] if len(found) > limit else None


def _line(summary: Summary) -> RunLine:
    head, run = summary.head, parts_of(summary.stream)[2]
    attributes: dict[str, Any] = msgspec.json.decode(head.attributes)
    return RunLine(run, head.title, head.status, moment(head.started_at), moment(head.changed_at), attributes)
