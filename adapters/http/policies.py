"""The policies: who may call which operation. One table, deny by default: an operation without a row keeps the service from starting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ...eventlog.errors import Bug
from ...runtime.permissions import ADMIN, CONTROL, DEFINITIONS_READ, DEFINITIONS_WRITE, READ, WRITE


class Policy(Struct, frozen=True):
    """What an operation asks of who calls it.

    `permission`: for every run of the tenant. `own`: what is enough for runs that one started oneself; empty: to be known is enough;
    None: that they are one's own makes no difference. `instead`: another permission that is enough. `besides`: one more that is needed.
    `named`: it is enough that the run asks something that names who calls, or a role of theirs; they may then decide that alone.
    `public`: nobody is asked who they are.
    """

    permission: str = ""
    own: str | None = None
    named: bool = False
    public: bool = False
    instead: str = ""
    besides: str = ""


OPEN = Policy(public=True)
SEE = Policy(READ, own="")
TALK = Policy(CONTROL, own=WRITE)
STEER = Policy(CONTROL)
DECIDE = Policy(CONTROL, named=True)
START = Policy(WRITE)
MANAGE = Policy(ADMIN)
LEARN = Policy(DEFINITIONS_READ, instead=READ)
DEFINE = Policy(DEFINITIONS_WRITE)

POLICIES: Mapping[str, Policy] = {
    "runs.start": START,
    "runs.signal_or_start": START,
    "runs.list": SEE,
    "runs.look": SEE,
    "runs.result": SEE,
    "runs.events": SEE,
    "runs.query": SEE,
    "runs.artifacts": SEE,
    "runs.artifact": SEE,
    "runs.deliveries": SEE,
    "runs.signal": TALK,
    "runs.update": TALK,
    "runs.pause": STEER,
    "runs.resume": STEER,
    "runs.cancel": STEER,
    "runs.retry": STEER,
    "runs.terminate": STEER,
    "runs.upgrade": STEER,
    "runs.skip": STEER,
    "runs.approve": DECIDE,
    "runs.reject": DECIDE,
    "approvals.list": SEE,
    "step_types": LEARN,
    "definitions.list": LEARN,
    "definitions.show": LEARN,
    "definitions.diff": LEARN,
    "definitions.validate": LEARN,
    "definitions.schema": LEARN,
    "definitions.create": DEFINE,
    "definitions.renew": DEFINE,
    "definitions.archive": DEFINE,
    "definitions.run": START,
    "definitions.run_adhoc": Policy(WRITE, besides=DEFINITIONS_WRITE),
    "documents.collections": LEARN,
    "documents.list": LEARN,
    "documents.ingest": DEFINE,
    "documents.remove": DEFINE,
    "steps.complete": STEER,
    "steps.fail": STEER,
    "webhooks.list": Policy(READ),
    "webhooks.show": Policy(READ),
    "webhooks.redrive": STEER,
    "webhooks.drop": STEER,
    "keys.create": MANAGE,
    "keys.list": MANAGE,
    "keys.rotate": MANAGE,
    "keys.revoke": MANAGE,
    **dict.fromkeys(("users.create", "users.list", "users.give", "users.take", "users.disable", "users.enable"), MANAGE),
    "roles.list": MANAGE,
    "roles.define": MANAGE,
    "whoami": Policy(own=""),
    "health": OPEN,
    "healthz": OPEN,
    "readyz": OPEN,
    "openapi": OPEN,
    "workers.status": Policy(READ),
    "metrics": MANAGE,
}
"""By the name of the operation."""


def must_cover(names: Iterable[str]) -> None:
    """Bug where an operation has no policy, or a policy no operation."""
    served, allowed = set(names), set(POLICIES)
    if served != allowed:
        raise Bug("operations and policies are not the same", who="adapters/http/policies.py", expected=", ".join(sorted(served)),
                  found=f"without a policy: {sorted(served - allowed)}, without an operation: {sorted(allowed - served)}",
                  instead="give each operation the row that says who may call it")
