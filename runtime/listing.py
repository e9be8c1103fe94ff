"""Lists over many runs, from the index of heads: no run is folded to be listed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, get_args

import anyio
import msgspec

from ..actors.ports import Clock
from ..eventlog.errors import PerdureError
from ..eventlog.log import Carrier, Summary
from ..eventlog.search import Condition, Search
from ..eventlog.streams import escape, parts_of, stream_of
from .authoring.words import moment
from .calling import Calling
from .calling.directory import answer_about_access
from .calling.webhooks import answer_about
from .kinds.quarantine import NAME as QUARANTINE
from .kinds.quarantine import QUARANTINED, quarantined_by
from .perform.watching import Watching
from .requests import AnyList, AnyPage, ApprovalPage, ListApprovals, ListRuns, OpenApproval, ReadEvents, RunLine, RunPage
from .requests.paging import must_be_a_page, must_be_known
from .requests.webhooks import DropWebhook, ListWebhooks, LookAtWebhook, RedriveWebhook
from .run.state import Phase

DEAD = ("failed", "suspended")
"""With those that are quarantined: the runs that go on only when somebody sees to them."""
STATUSES = (*(phase for phase in get_args(Phase) if phase != "new"), QUARANTINED, "moved")
"""What a run in a list may be."""
QUARANTINED_MAX = 1000
"""So many are told from others when runs are listed."""
ASKS = Condition("perdure.asks", "=", value=True)
"""What the head of a run says while it asks people something."""


class Listing(Calling):
    """The lists of a runtime, which gives its carrier, its clock and what watches it."""

    carrier: Carrier
    clock: Clock
    watching: Watching

    @abstractmethod
    async def ask_actor(self, stream: str, command: Any) -> Any:
        """What an actor answers, wherever it is."""

    async def _list(self, request: AnyList) -> AnyPage:
        must_be_a_page(getattr(request, "limit", 1))
        match request:
            case ListRuns():
                return await self._list_runs(request)
            case ListApprovals():
                return await self._list_approvals(request)
            case ReadEvents():
                return await self.watching.page(self, request)
            case ListWebhooks() | LookAtWebhook() | RedriveWebhook() | DropWebhook():
                return await answer_about(request, self.carrier, self.ask_actor)
            case _:
                return await answer_about_access(request, self.ask_actor, self.clock.now())

    async def _list_runs(self, asked: ListRuns) -> RunPage:
        """A quarantined run is listed as such, whatever its head, written while it was whole, says of it."""
        must_be_known("status", () if asked.status is None else (asked.status,), STATUSES)
        quarantined = await self._quarantined(asked)
        if not asked.dead and asked.status != QUARANTINED:
            search = Search(asked.where, status=asked.status, title=asked.workflow)
            page, behind = await self._page(search, asked.tenant, asked.after, asked.limit)
            shown: Sequence[Summary] = [one for one in page if asked.status is None or one.stream not in quarantined]
        else:
            pages = [await self._of_status(asked, status) for status in (DEAD if asked.dead else ())]
            found = {summary.stream: summary for page in pages for summary in page} | quarantined
            shown, behind = _first([found[stream] for stream in sorted(found)], asked.limit)
        return RunPage([_line(summary, summary.stream in quarantined) for summary in shown], behind)

    async def _of_status(self, asked: ListRuns, status: str) -> Sequence[Summary]:
        """One more than a page of the runs of a status."""
        search = Search(asked.where, f"run/{escape(asked.tenant)}/", status, asked.workflow)
        return await self.carrier.heads.find(search, after=_behind(asked.tenant, asked.after), limit=asked.limit + 1)

    async def _quarantined(self, asked: ListRuns) -> dict[str, Summary]:
        """The runs behind the place asked for that are quarantined, and that are wanted apart from their status."""
        heads, prefix = self.carrier.heads, f"{QUARANTINE}/{escape(asked.tenant)}/"
        behind, wanted = _behind(asked.tenant, asked.after), Search(asked.where, f"run/{escape(asked.tenant)}/", title=asked.workflow)
        found: dict[str, Summary] = {}
        for about in await heads.find(Search(prefix=prefix, status=QUARANTINED, title="run"), limit=QUARANTINED_MAX):
            summary = await heads.get(quarantined_by(about.head))
            if summary is not None and summary.stream > behind and wanted.wants(summary.stream, summary.head):
                found[summary.stream] = summary
        return found

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
        shown = [approval for found in asked.values() for approval in found]
        if request.by:
            now = moment(self.clock.now())
            shown = [one for one in shown if one.may(request.by, request.roles, now, named=request.named)]
        return ApprovalPage(shown, behind, unread)

    async def _page(self, search: Search, tenant: str, after: str | None, limit: int) -> tuple[Sequence[Summary], str | None]:
        """(the summaries of runs of the tenant, where the next page begins)"""
        search = msgspec.structs.replace(search, prefix=f"run/{escape(tenant)}/")
        return _first(await self.carrier.heads.find(search, after=_behind(tenant, after), limit=limit + 1), limit)


def _behind(tenant: str, after: str | None) -> str:
    return stream_of("run", tenant, after) if after else ""


def _first(found: Sequence[Summary], limit: int) -> tuple[Sequence[Summary], str | None]:
    """(a page of what was found, where the next one begins)"""
    return found[:limit], parts_of(found[limit - 1].stream)[2] if len(found) > limit else None


def _line(summary: Summary, quarantined: bool) -> RunLine:  # noqa: FBT001 - the one thing its head does not say
    head, run = summary.head, parts_of(summary.stream)[2]
    attributes: dict[str, Any] = msgspec.json.decode(head.attributes)
    status = QUARANTINED if quarantined else head.status
    return RunLine(run, head.title, status, moment(head.started_at), moment(head.changed_at), attributes)
