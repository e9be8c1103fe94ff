"""Requests about webhooks, and what they are answered: a part of `requests`, which is what doors and clients import."""

from __future__ import annotations

from datetime import datetime

from msgspec import Raw, Struct

from .asking import Request


class ListWebhooks(Request, frozen=True, tag="webhooks", kw_only=True):
    """A page of the webhooks that stand so, or of all where `status` is empty, in the order of their ids; go on with the page's `after`.

    `run`: those of this run alone.
    """

    status: str = "dead"
    run: str = ""
    after: str | None = None
    limit: int = 100


class LookAtWebhook(Request, frozen=True, tag="look_at_webhook", kw_only=True):
    """Ask how a webhook stands."""

    id: str


class RedriveWebhook(Request, frozen=True, tag="redrive_webhook", kw_only=True):
    """Try a dead letter again at once, and as often as a new one."""

    id: str
    by: str = ""


class DropWebhook(Request, frozen=True, tag="drop_webhook", kw_only=True):
    """Give up a webhook that has not arrived."""

    id: str
    by: str = ""
    why: str = ""


AnyWebhook = ListWebhooks | LookAtWebhook | RedriveWebhook | DropWebhook


class WebhookLine(Struct, frozen=True, omit_defaults=True):
    """A webhook in a list."""

    id: str
    tenant: str
    status: str
    url: str
    topic: str
    attempts: int
    created: datetime
    changed: datetime
    next_attempt: datetime | None = None
    error: str = ""
    """What came of the last attempt."""
    run: str = ""


class WebhookPage(Struct, frozen=True, tag_field="reply", tag="webhooks"):
    """Some of the webhooks; `after` asks for the next page, and is None on the last."""

    webhooks: list[WebhookLine]
    after: str | None


class WebhookShown(Struct, frozen=True, tag_field="reply", tag="webhook"):
    """A webhook, with the body that is sent."""

    webhook: WebhookLine
    body: Raw
