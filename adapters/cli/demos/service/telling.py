"""What the demo of the service says, so that who sees it knows what went where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ....rag.ingesting import Ingested
from ..voice import Voice, near
from .receiver import Arrived

DIGEST, WIDTH = 16, 110
"""Characters of a digest and of a text that are shown."""


class Telling(Voice):
    """The words of the demo."""

    def opening(self, folder: Path) -> None:
        self.line(("perdure demo-service", "bold"), ("  a workflow written as data, through HTTP alone", "dim"))
        self.line("")
        self.line("A question is looked up in documents, answered, approved by a person, and told to somebody outside.")
        self.line(("   in   ", "dim"), f"{near(folder)}/  (its log, and the index beside it)")
        self.scene(1, "Documents are taken into the index")

    def taken(self, taken: Sequence[Ingested]) -> None:
        about = {"python": "the docstrings of this machine's standard library", "perdure": "the documentation of this repository"}
        for one in taken:
            self.good((one.collection, "bold"), f"  {about[one.collection]}: {one.documents:,} documents, {one.passages:,} passages")

    def let_out(self, opened: Mapping[str, str]) -> None:
        self.scene(2, "perdure serve, and keys: Ann may write definitions, Bob may decide")
        self.line("     calls of steps reach public hosts alone; the receiver is on this machine, so for this demo they may go there:")
        self.line(("     " + "  ".join(f"{name}={value}" for name, value in opened.items()), "yellow"))

    def serving(self, address: str) -> None:
        self.good("it serves at ", (address, "cyan"))
        self.scene(3, "Ann applies the definition and starts a run of it")

    def applied(self, name: str, version: int, digest: str) -> None:
        steps = "rag_search → prompt → wait_for_approval → webhook → log"
        self.good((f"{name}@{version}", "bold"), f"  {steps}", (f"  {digest[:DIGEST]}", "cyan"))
        self.line(("     the provider of the prompt is 'local': no model, it answers with sentences of what was found", "yellow"))

    def started(self, run: str, question: str) -> None:
        self.good(("run ", "dim"), (run, "bold"), f"  {question}", ("  (started twice under one Idempotency-Key: one run)", "dim"))
        self.scene(4, "What happens, by server-sent events")

    def happened(self, event: Mapping[str, Any]) -> None:
        what = str(event.get("name") or event.get("message") or event.get("outcome") or "")
        self.line(f"     {event['event_seq']:>3}  {event['type']:<19}", (f"{event.get('by') or '':<5}", "bold"), (what, "dim"))

    def asked(self, show: Mapping[str, Any], digest: str) -> None:
        self.line(("          Bob finds in his inbox, and approves by its digest ", "bold"), (digest[:DIGEST], "cyan"))
        for name in ("question", "answer", "sources"):
            value = show[name]
            text = value if isinstance(value, str) else ", ".join(str(part).rpartition("/")[2] for part in value)
            self.line((f"            {name:<9}", "dim"), text if len(text) <= WIDTH else text[: WIDTH - 1] + "…")

    def arrived(self, arrived: Arrived) -> None:
        self.scene(5, "At the receiver")
        self.good((arrived.id, "bold"), "  its signature holds, by the receiver's own reckoning")
        self.line((f"     webhook-signature: {arrived.signature}", "dim"))
        self.line((f"     {msgspec.json.encode(msgspec.json.decode(arrived.body)).decode()[:WIDTH]}…", "dim"))

    def ending(self, records: int, events: int, result: Mapping[str, Any], seconds: float, folder: Path) -> None:
        self.scene(6, "The service has ended; is its log whole?")
        self.good("verified ", (f"{records} records", "bold"), ": every chain holds and reaches its anchor")
        self.good("replayed ", (f"{events} events", "bold"), " of the run: the definition asks for the same again, one for one")
        self.line("")
        self.line((f"answer     {result['answer'][:WIDTH]}", "bold"))
        self.line(f"approved   by {result['approved_by']}; {result['tokens']} tokens, which are words to the provider 'local'")
        self.line(f"All of it took {seconds:.0f} s.")
        self.line(("See for yourself:  ", "dim"), f"perdure show question-1 --log {near(folder)}/service.db")
