"""Webhooks over HTTP: those that could not be brought to their receivers, in the words of docs/runbooks/004.md, and those of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Raw, Struct

from ...eventlog.errors import Invalid
from ...runtime.kinds.delivery import STATUSES
from ...runtime.requests import WebhookPage, WebhookShown
from ...runtime.requests.webhooks import WebhookLine
from .operations import Answer, Call, Operation
from .runs import ROOT, RUN

DLQ = f"{ROOT}/webhooks/dlq"
ONE = f"{DLQ}/{{webhook_id}}"

LOOK = "look at the webhook to see whether it was done, and say it again where it was not"

ROWS_MAX = 100
"""Each is looked at for its body."""


AnyStatus = Annotated[str, Meta(extra_json_schema={"enum": list(STATUSES)})]


class WebhookParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: dead, retrying, queued, delivered or dropped. `after`: the `after` of the page before."""

    status: AnyStatus = "dead"
    after: str | None = None
    limit: int = 100


class DeliveryParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: those that stand so; left out all. `after`: the `after` of the page before."""

    status: AnyStatus | None = None
    after: str | None = None
    limit: int = 100


class DropBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept in the log."""

    why: str = ""


class WebhookRow(Struct, frozen=True):
    """A webhook, by the columns of `workflow_webhook_dlq`, and how it stands: dead, retrying, queued, delivered or dropped."""

    id: str
    tenant_id: str
    run_id: str
    url: str
    body_json: Raw
    attempts: int
    next_attempt_at: datetime | None
    last_error: str
    created_at: datetime
    changed_at: datetime
    status: str
    topic: str

    @classmethod
    def of(cls, shown: WebhookShown) -> WebhookRow:
        line = shown.webhook
        return cls(line.id, line.tenant, line.run, line.url, shown.body, line.attempts, line.next_attempt, line.error, line.created,
                   line.changed, line.status, line.topic)

    def shown(self) -> WebhookShown:
        """As the methods of a runtime give it."""
        return WebhookShown(WebhookLine(
            self.id, self.tenant_id, self.status, self.url, self.topic, self.attempts, self.created_at, self.changed_at,
            self.next_attempt_at, self.last_error, self.run_id,
        ), self.body_json)  # fmt: skip


class WebhookRows(Struct, frozen=True):
    """Some of the webhooks, in the order of their ids; `after` asks for the next page, and is None on the last."""

    webhooks: list[WebhookRow]
    after: str | None

    def page(self) -> WebhookPage:
        """As the methods of a runtime give it."""
        return WebhookPage([row.shown().webhook for row in self.webhooks], self.after)


async def listed(call: Call) -> Answer:
    params: WebhookParams = call.params
    return await _rows(call, params.status, "", params.after, params.limit)


async def of_run(call: Call) -> Answer:
    params: DeliveryParams = call.params
    await call.runtime.run(call.run, tenant=call.tenant).look()  # of a run that does not exist there is nothing to tell
    return await _rows(call, params.status or "", call.run, params.after, params.limit)


async def shown(call: Call) -> Answer:
    return Answer(WebhookRow.of(await call.runtime.webhook(_id(call), tenant=call.tenant)))


async def redrive(call: Call) -> Answer:
    return Answer(WebhookRow.of(await call.runtime.redrive_webhook(_id(call), by=call.principal.user, tenant=call.tenant)))


async def drop(call: Call) -> Answer:
    body: DropBody = call.given()
    return Answer(WebhookRow.of(await call.runtime.drop_webhook(_id(call), by=call.principal.user, why=body.why, tenant=call.tenant)))


async def _rows(call: Call, status: str, run: str, after: str | None, limit: int) -> Answer:
    if not 1 <= limit <= ROWS_MAX:
        raise Invalid("a page holds some webhooks and not all", who="limit", where="limit", expected=f"1 to {ROWS_MAX}", found=str(limit),
                      instead="go on with after=, as the page says")
    page = await call.runtime.webhooks(status, run=run, tenant=call.tenant, after=after, limit=limit)
    rows = [WebhookRow.of(await call.runtime.webhook(line.id, tenant=call.tenant)) for line in page.webhooks]
    return Answer(WebhookRows(rows, page.after))


def _id(call: Call) -> str:
    return call.parts["webhook_id"]


OPERATIONS = (
    Operation(name="webhooks.list", method="GET", path=DLQ, perform=listed, params=WebhookParams, answers={200: WebhookRows},
              summary="List dead letters: webhooks that were given up, are not wanted any more, or may not be sent"),
    Operation(name="webhooks.show", method="GET", path=ONE, perform=shown, answers={200: WebhookRow},
              summary="How a webhook stands, what came of its last attempt, and the body that is sent"),
    Operation(name="webhooks.redrive", method="POST", path=f"{ONE}/redrive", perform=redrive, answers={200: WebhookRow}, unnamed=LOOK,
              summary="Try a dead letter again at once, and as often as a new one"),
    Operation(name="webhooks.drop", method="POST", path=f"{ONE}/drop", perform=drop, body=DropBody, answers={200: WebhookRow}, unnamed=LOOK,
              summary="Give up a webhook that has not arrived"),
    Operation(name="runs.deliveries", method="GET", path=f"{RUN}/webhooks/deliveries", perform=of_run, params=DeliveryParams,
              answers={200: WebhookRows}, summary="The webhooks of a run, and how each stands"),
)  # fmt: skip
