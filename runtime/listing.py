"""Lists over many runs, from the index of heads: no run is folded to be listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec

from ..eventlog.errors import Invalid, PerdureError
from ..eventlog.log import Carrier, Summary
from ..eventlog.search import Condition, Search
from ..eventlog.streams import escape, parts_of, stream_of
from .authoring.words import moment
from .calling import Calling
from .requests import AnyList, AnyPage, ApprovalPage, ListApprovals, ListRuns, OpenApproval, RunLine, RunPage

LIMIT_MAX = 1000
ASKS = Condition("perdure.asks", "=", value=True)
"""What the head of a run says while it asks people something."""


class Listing(Calling):
    """The lists of a runtime, which gives its carrier."""

    carrier: Carrier

    async def _list(self, request: AnyList) -> AnyPage:
        match request:
            case ListRuns():
                return await self._list_runs(request)
            case ListApprovals():
                return await self._list_approvals(request)

    async def _list_runs(self, asked: ListRuns) -> RunPage:
        search = Search(asked.where, status=asked.status, title=asked.workflow)
        page, behind = await self._page(search, asked.tenant, asked.after, asked.limit)
        return RunPage([_line(summary) for summary in page], behind)

    async def _list_approvals(self, request: ListApprovals) -> ApprovalPage:
        page, behind = await self._page(Search((ASKS,)), request.tenant, request.after, request.limit)
        asked: dict[str, list[OpenApproval]] = {parts_of(summary.stream)[2]: [] for summary in page}
        unread: dict[str, str] = {}

        async def ask(run: str) -> None:
            try:
                asked[run] = (await self.run(run, tenant=request.tenant).look()).approvals
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
