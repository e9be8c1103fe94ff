"""A namespace in NATS, drawn for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...nats.inspecting import Checked, Initialised, Standing


def draw_initialised(out: Console, done: Initialised) -> None:
    for name in done.made:
        out.print(Text.assemble(("✓ ", "green"), name, ("  made", "dim")))
    for name in done.there:
        out.print(Text.assemble(("· ", "dim"), name, ("  was there", "dim")))
    out.print(Text(f"{done.partitions} partitions", style="dim"))


def draw_checked(out: Console, found: Checked) -> None:
    out.print(Text.assemble(found.server, ("  durability ", "dim"), found.durability or "-"))
    for name in found.missing:
        out.print(Text.assemble(("✗ ", "bold red"), name, "  is missing"))
    for one in found.differences:
        out.print(Text.assemble(("✗ ", "bold red"), one.stream, f"  {one.field} is {one.found!r}, not {one.expected!r}"))
    if found.is_sound:
        out.print(Text("✓ as perdure relies on", style="green"))
    elif found.missing:
        out.print(Text("  perdure nats init makes what is missing; what differs, change with the tools of NATS", style="dim"))


def draw_standing(out: Console, found: Standing) -> None:
    words = [("records", found.records), ("streams", found.streams), ("behind in views", found.behind), ("partitions", found.partitions)]
    out.print(Text.assemble(found.server, ("  durability ", "dim"), found.durability))
    out.print(Text("  ".join(f"{number} {name}" for name, number in words)))
    stored = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("stream", "messages", "bytes", "replicas", "leader"):
        stored.add_column(name, justify="left" if name in ("stream", "leader") else "right", overflow="fold")
    for line in found.stored:
        stored.add_row(line.name, str(line.messages), str(line.bytes), str(line.replicas), line.leader or "-")
    owners = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("owner", "partitions", "epoch"):
        owners.add_column(name, justify="left" if name == "owner" else "right", overflow="fold")
    for owner in found.owners:
        owners.add_row(owner.owner or "(nobody)", str(owner.partitions), str(owner.epoch))
    out.print(stored)
    out.print(owners)
    if found.queues:
        queues = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("queue", "waiting", "in hand"):
            queues.add_column(name, justify="left" if name == "queue" else "right", overflow="fold")
        for each in found.queues:
            queues.add_row(each.queue or "(no worker yet)", str(each.waiting), str(each.in_hand))
        out.print(queues)
