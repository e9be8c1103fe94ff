"""Webhooks, drawn for people."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....runtime.requests import WebhookPage, WebhookShown
from ..shared.console import say_columns


def draw_page(out: Console, page: WebhookPage) -> None:
    if not page.webhooks:
        out.print(Text("none", style="dim"))
        return
    table = Table(box=None, header_style="dim")
    for name in ("webhook", "run", "url", "attempts", "next attempt", "last error", "created"):
        table.add_column(name, overflow="fold")
    for line in page.webhooks:
        due = _time(line.next_attempt) if line.next_attempt else "-"
        cells = (line.id, line.run, line.url, str(line.attempts), due, line.error, _time(line.created))
        table.add_row(*map(Text, cells))
    out.print(table)


def draw_webhook(out: Console, found: WebhookShown) -> None:
    line = found.webhook
    told = {
        "webhook": line.id, "status": line.status, "topic": line.topic, "url": line.url, "run": line.run, "attempts": str(line.attempts),
        "next attempt": _time(line.next_attempt) if line.next_attempt else "", "last error": line.error, "created": _time(line.created),
        "changed": _time(line.changed), "body": bytes(found.body).decode(),
    }  # fmt: skip
    say_columns(out, {name: text for name, text in told.items() if text})


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
