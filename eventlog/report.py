"""What verifying a whole log found: the same words for a log in a file and for one in JetStream."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

FINDINGS_MAX = 1000


class Finding(Struct, frozen=True):
    """One thing that is not as it was written."""

    stream: str
    where: str
    what: str


class Report(Struct):
    """What the whole log holds, and everything that is wrong with it."""

    path: str
    """Where the log is: a file, or a URL without its secrets."""
    records: int = 0
    events: int = 0
    streams: int = 0
    heads: int = 0
    snapshots: int = 0
    blobs: int = 0
    outcomes: int = 0
    """Kept outcomes of transactional steps."""
    position: int = 0
    running: str = ""
    """The digest of all records up to `position`, where the carrier keeps one."""
    anchored: int | None = None
    findings: list[Finding] = field(default_factory=list[Finding])
    more_findings: int = 0
    verdict: Literal["intact", "damaged"] = "intact"

    def found(self, stream: str, where: str, what: str) -> None:
        self.verdict = "damaged"
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(stream, where, what))
        else:
            self.more_findings += 1
