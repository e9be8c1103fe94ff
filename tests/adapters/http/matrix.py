"""The matrix: every operation of the OpenAPI page, as everybody, on what is theirs, somebody else's, another tenant's, and nobody's.

What is refused must change nothing and tell nothing: first all of that is played, on subjects that stay as they are; then what is
allowed, on a new subject each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from perdure.eventlog.memory import MemoryLog
from tests.adapters.http import subjects
from tests.adapters.http.expected import MAY, Target, Verdict, must_be_expected, verdict
from tests.adapters.http.shop import Shop, token
from tests.adapters.http.subjects import Subject, absent, body_of, kind_of, made, state_of

PAGE = "/api/v1/openapi.json"
HOME, AWAY = "acme", "other"
TARGETS: dict[str, tuple[Target, ...]] = {
    "": ("any",),
    "run": ("own", "foreign", "absent", "of another tenant"),
    "key": ("own", "absent", "of another tenant"),
    "user": ("own", "absent", "of another tenant"),
    "definition": ("own", "absent", "of another tenant"),
    "collection": ("own", "absent", "of another tenant"),
    "webhook": ("own", "absent", "of another tenant"),
    "token": ("foreign", "of another tenant"),
}

ROLES: Sequence[frozenset[str]] = [frozenset({role}) for role in MAY]
PAIRS: Sequence[frozenset[str]] = [frozenset({one, other}) for one in MAY for other in MAY if one < other]


class Row(NamedTuple):
    """An operation, as the page has it."""

    name: str
    method: str
    path: str
    answers: frozenset[int]

    @property
    def kind(self) -> str:
        return kind_of(self.name, self.path)


class Visitor(NamedTuple):
    """Somebody at the door; without roles somebody whom nobody knows."""

    name: str
    headers: Sequence[tuple[str, str]]
    tenant: str = HOME
    user: str = ""
    roles: frozenset[str] | None = None


class Cell(NamedTuple):
    """One question: may they do this to that?"""

    row: Row
    visitor: Visitor
    target: Target

    @property
    def expected(self) -> Verdict:
        return verdict(self.row.name, self.visitor.roles, self.target)

    def __str__(self) -> str:
        return f"{self.visitor.name}: {self.row.name}, {self.target}"


def rows_of(page: Any) -> list[Row]:
    """Every operation of the page; Unexpected where nobody wrote down who may call one."""
    found = [
        Row(row["operationId"], method.upper(), path, frozenset(map(int, row["responses"])))
        for path, methods in page["paths"].items()
        for method, row in methods.items()
    ]
    must_be_expected(frozenset(row.name for row in found))
    return found


class Matrix:
    """Plays cells against a service, and keeps what was wrong."""

    def __init__(self, service: Shop, rows: Sequence[Row]) -> None:
        log = service.runtime.carrier.log
        assert isinstance(log, MemoryLog)
        self.service, self.rows, self.log = service, rows, log
        self.cells = self.refused = self.allowed = 0
        self.wrong: list[str] = []
        self.statuses: dict[str, set[int]] = defaultdict(set)
        """By operation, how those were answered who may."""
        self._kept: dict[tuple[str, str, str, str], Subject] = {}
        self._owners: dict[str, tuple[str, str]] = {}
        """By run, its tenant and whose it is."""
        self._unknown: set[bytes] = set()

    @property
    def never_done(self) -> list[str]:
        """Operations that nobody was ever answered well by: their cells say little of who may."""
        return sorted(row.name for row in self.rows if not any(200 <= status < 300 for status in self.statuses[row.name]))

    async def play(self, visitors: Iterable[Visitor], share: float = 1.0) -> None:
        """The cells of these visitors: all of them, or a share that is drawn from a seed."""
        chance = Random("cells")
        cells = [Cell(row, who, target) for who in visitors for row in self.rows for target in TARGETS[row.kind]]
        cells = [cell for cell in cells if chance.random() < share]
        refused = [cell for cell in cells if cell.expected != "done"]
        for cell in refused:
            await self._kept_subject(cell)
        for cell in refused:
            await self._refused(cell)
        for cell in cells:
            if cell.expected == "done":
                await self._allowed(cell)
        self.wrong += [f"{name}: answered differently, {sorted(found)}" for name, found in self.statuses.items() if len(found) > 1]
        self.wrong += ["who is not known hears different things"] if len(self._unknown) > 1 else []

    async def _refused(self, cell: Cell) -> None:
        subject, before = await self._kept_subject(cell), len(self.log.records)
        found = await self._asked(cell, subject)
        self.cells, self.refused = self.cells + 1, self.refused + 1
        status, code = {"unknown": (401, "unauthenticated"), "denied": (403, "denied"), "none": (404, "not_found")}[cell.expected]
        if found.status_code != status or found.json().get("code") != code:
            self.wrong.append(f"{cell}: expected {cell.expected}, found {found.status_code} {found.text[:200]}")
        if len(self.log.records) != before:
            self.wrong.append(f"{cell}: refused, and something was written")
        if cell.expected == "unknown":
            self._unknown.add(found.content)
        if cell.expected == "none" and cell.target != "absent" and cell.row.kind != "token":
            nothing = absent(cell.row.name, cell.row.kind)
            other = await self._asked(cell, nothing)
            if found.text.replace(subject.id, "") != other.text.replace(nothing.id, ""):
                self.wrong.append(f"{cell}: hears otherwise than of nothing: {found.text[:200]}")

    async def _allowed(self, cell: Cell) -> None:
        subject = await (self._kept_subject(cell) if cell.row.method == "GET" else self._new_subject(cell))
        found = await self._asked(cell, subject)
        self.cells, self.allowed = self.cells + 1, self.allowed + 1
        self.statuses[cell.row.name].add(found.status_code)
        if found.status_code in (401, 403) or found.status_code >= 500:
            self.wrong.append(f"{cell}: expected to be done, found {found.status_code} {found.text[:200]}")
        if found.status_code not in cell.row.answers:
            self.wrong.append(f"{cell}: the page does not list {found.status_code}")
        told = [run for run, owner in self._owners.items() if run in found.text and not _may_hear(cell.visitor, *owner)]
        if told:
            self.wrong.append(f"{cell}: is told of {', '.join(told)}")

    async def _asked(self, cell: Cell, subject: Subject) -> httpx.Response:
        row, path = cell.row, cell.row.path
        definition = subject.id if row.kind == "definition" else "none"
        ids = dict.fromkeys(("run_id", "key_id", "user", "webhook_id", "collection"), subject.id)
        parts = ids | {"definition_name": definition, "name": subjects.PARTS.get(row.name, "none")}
        for part in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
            path = path.replace(f"{{{part}}}", quote(parts.get(part, "none"), safe=""))
        body = None if row.method == "GET" else body_of(row.name, subject)
        given = {} if body is None else {"json": body}
        url = path + subjects.QUERIES.get(row.name, "")
        return await self.service.client.request(row.method, url, headers=list(cell.visitor.headers), **given)

    async def _kept_subject(self, cell: Cell) -> Subject:
        tenant, by = _owner(cell)
        key = state_of(cell.row.name), cell.row.kind, tenant, by
        if cell.row.kind == "" or cell.target == "absent":
            return absent(cell.row.name, cell.row.kind)
        if key not in self._kept:
            self._kept[key] = await self._new_subject(cell)
        return self._kept[key]

    async def _new_subject(self, cell: Cell) -> Subject:
        if cell.row.kind == "" or cell.target == "absent":
            return absent(cell.row.name, cell.row.kind)
        tenant, by = _owner(cell)
        subject = await made(self.service, cell.row.name, cell.row.kind, tenant, by)
        if cell.row.kind not in ("key", "user", "definition", "webhook", "collection"):
            self._owners[subject.id] = tenant, by
        return subject


def _owner(cell: Cell) -> tuple[str, str]:
    """(tenant, user) whose the subject of a cell is; in another tenant there is somebody of the same name."""
    who = cell.visitor
    if cell.target == "of another tenant":
        return (AWAY if who.tenant == HOME else HOME), who.user
    return who.tenant, who.user if cell.target == "own" else "somebody"


def _may_hear(who: Visitor, tenant: str, by: str) -> bool:
    """Whether a visitor may be told of a run."""
    if who.roles is None or who.tenant != tenant:
        return False
    return verdict("runs.look", who.roles, "own" if by == who.user else "foreign") == "done"


async def known(service: Shop, crews: Iterable[frozenset[str]]) -> AsyncIterator[Visitor]:
    """Somebody in these roles, with a key, and somebody of the same name in them in another tenant, with a token."""
    for roles in crews:
        name = " and ".join(sorted(roles))
        made_ = await service.ring.create(HOME, f"the {name}", sorted(roles))
        await service.client.get("/api/v1/whoami", headers={"x-api-key": made_.text})  # that a key is used is written once
        signed = token(user=f"the {name}", tenant=AWAY, roles=sorted(roles))
        yield Visitor(f"{name} of {HOME}", [("x-api-key", made_.text)], HOME, f"the {name}", roles)
        yield Visitor(f"{name} of {AWAY}", [("authorization", f"Bearer {signed}")], AWAY, f"the {name}", roles)


async def strangers(service: Shop) -> list[Visitor]:
    """Everybody who is not let in: without a key, with one that is good no more, with one that nobody made, with too many."""
    user = "the stranger"
    good, revoked, expired, rotated = [
        await service.ring.create(HOME, user, ["admin"], expires_in=seconds) for seconds in (0.0, 0.0, 1e-6, 0.0)
    ]
    await service.ring.revoke(revoked.about.id)
    await service.ring.rotate(rotated.about.id, overlap=0.0)
    gone = await service.ring.create(HOME, "the gone", ["admin"])
    for change in ("create", "disable"):
        await service.runtime.change_user("the gone", change, ["admin"], tenant=HOME)
    forged = good.text[:-1] + ("A" if good.text[-1] != "A" else "B")
    shown: dict[str, list[tuple[str, str]]] = {
        "without a key": [],
        "with an empty key": [("x-api-key", "")],
        "with no key at all": [("x-api-key", "let me in")],
        "with a key that nobody made": [("x-api-key", f"prd_{subjects.ABSENT_KEY}_{'A' * 43}")],
        "with a forged secret": [("x-api-key", forged)],
        "with a revoked key": [("x-api-key", revoked.text)],
        "with an expired key": [("x-api-key", expired.text)],
        "with a rotated key": [("authorization", f"Bearer {rotated.text}")],
        "with a key twice": [("x-api-key", good.text), ("x-api-key", good.text)],
        "with two ways in": [("x-api-key", good.text), ("authorization", f"Bearer {good.text}")],
        "with another scheme": [("authorization", f"Basic {good.text}")],
        "with a blank token": [("authorization", "Bearer ")],
        "with a key of who was shut out": [("x-api-key", gone.text)],
        "with a token of who was shut out": [("authorization", f"Bearer {token(user='the gone', roles=['admin'])}")],
        "with a token that nobody signed": [("authorization", f"Bearer {token(user=user, roles=['admin'], algorithm='none')}")],
        "with a token that is over": [("authorization", f"Bearer {token(user=user, roles=['admin'], seconds=-60.0)}")],
    }  # fmt: skip
    return [Visitor(name, headers, HOME, user) for name, headers in shown.items()]
