"""Keys, users and roles, drawn for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....runtime.requests.access import KeyLine, RolePage, UserLine
from ..shared.console import console_for_errors
from .asking import NewKey


def draw_made(out: Console, line: NewKey) -> None:
    about = line.about
    roles = ", ".join(about.roles) or "all roles that they have"
    out.print(Text(line.key, style="bold"), soft_wrap=True)
    hint = Text(f"for {about.user} of {about.tenant}, {roles}; it is shown once: keep it now", style="dim")
    console_for_errors().print(hint)  # so that what a shell takes from stdout is the key alone


def draw_keys(out: Console, lines: Sequence[KeyLine]) -> None:
    table = _table(out, "no keys" if not lines else "", "key", "tenant", "user", "roles", "is", "until", "used", "label")
    for line in lines:
        state = "good" if line.good else "revoked" if line.revoked else "expired"
        until, used = (at.isoformat(timespec="minutes") if at else "" for at in (line.expires, line.used))
        table.add_row(line.id, line.tenant, line.user, ", ".join(line.roles), state, until, used, line.label)
    if lines:
        out.print(table)


def draw_users(out: Console, lines: Sequence[UserLine]) -> None:
    table = _table(out, "no users" if not lines else "", "user", "roles", "is", "why")
    for line in lines:
        table.add_row(line.user, ", ".join(line.roles), "disabled" if line.disabled else "let in", line.why)
    if lines:
        out.print(table)


def draw_roles(out: Console, page: RolePage) -> None:
    table = _table(out, "", "role", "allows", "")
    for line in page.roles:
        table.add_row(line.role, ", ".join(line.permissions), "own" if line.own else "")
    out.print(table)


def _table(out: Console, nothing: str, *names: str) -> Table:
    if nothing:
        out.print(Text(nothing, style="dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name)
    return table
