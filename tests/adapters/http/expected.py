"""Who may call what, written down once more by hand and by permission: nothing here is read from the product.

So a wrong row in its table of policies, or a role that grew, is red in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Verdict = Literal["done", "none", "denied", "unknown"]
"""Done: it came to the runtime. None: as of what does not exist. Denied: known, and may not. Unknown: nobody knows who asks."""

Target = Literal["any", "own", "foreign", "absent", "of another tenant"]

READ, CONTROL, WRITE = "workflows.runs.read", "workflows.runs.control", "workflows.runs.write"
SHOW, EDIT, ADMIN = "workflows.definitions.read", "workflows.definitions.write", "workflows.admin"

MAY: Mapping[str, frozenset[str]] = {
    "starter": frozenset({WRITE, SHOW}),
    "viewer": frozenset({READ, SHOW}),
    "operator": frozenset({READ, CONTROL, SHOW}),
    "author": frozenset({WRITE, SHOW, EDIT}),
    "admin": frozenset({READ, CONTROL, WRITE, SHOW, EDIT, ADMIN}),
}
"""By role."""


class Need(NamedTuple):
    """What an operation asks for: a permission; another that is enough for runs of one's own ("": to be known), None where none is.

    `instead` is enough, too; `besides` is needed, too.
    """

    permission: str = ""
    own: str | None = None
    instead: str = ""
    besides: str = ""

    def is_met(self, granted: frozenset[str]) -> bool:
        return bool({self.permission, self.instead} & granted) and (not self.besides or self.besides in granted)


NEEDS: Mapping[Need, str] = {
    Need(READ, own=""): "runs.list runs.look runs.result runs.events runs.query runs.artifacts runs.artifact runs.deliveries"
                        " approvals.list",
    Need(CONTROL, own=WRITE): "runs.signal runs.update",
    Need(CONTROL): "runs.pause runs.resume runs.cancel runs.retry runs.terminate runs.upgrade runs.skip runs.approve runs.reject"
                   " steps.complete steps.fail webhooks.redrive webhooks.drop",
    Need(WRITE): "runs.start runs.signal_or_start definitions.run",
    Need(WRITE, besides=EDIT): "definitions.run_adhoc",
    Need(EDIT): "definitions.create definitions.renew definitions.archive documents.ingest documents.remove",
    Need(READ): "workers.status webhooks.list webhooks.show",
    Need(SHOW, instead=READ): "step_types definitions.list definitions.show definitions.diff definitions.validate definitions.schema"
                              " documents.collections documents.list",
    Need(ADMIN): "keys.create keys.list keys.rotate keys.revoke metrics roles.list roles.define"
                 " users.create users.list users.give users.take users.disable users.enable",
    Need(own=""): "whoami",
}  # fmt: skip

PUBLIC = frozenset({"health", "healthz", "readyz", "openapi"})

BY_NAME: Mapping[str, Need] = {name: need for need, names in NEEDS.items() for name in names.split()}


class Unexpected(LookupError):
    """The service has an operation of which nobody wrote down who may call it."""


def must_be_expected(names: frozenset[str]) -> None:
    """Unexpected, with what to do, where the page and this table are not about the same operations."""
    written = PUBLIC | BY_NAME.keys()
    if names != written:
        new, gone = sorted(names - written), sorted(written - names)
        raise Unexpected(
            f"operations of the OpenAPI page that nobody wrote down who may call: {new or 'none'}; written down and not on the page:"
            f" {gone or 'none'}. Put each under the permission that it needs in NEEDS of {__name__}, by what it does, not by its policy."
        )


def verdict(name: str, roles: frozenset[str] | None, target: Target) -> Verdict:
    """What somebody in these roles has to hear; None for who is not known."""
    if name in PUBLIC:
        return "done"
    if roles is None:
        return "unknown"
    need, granted = BY_NAME[name], frozenset[str]().union(*(MAY[role] for role in roles))
    every = need.is_met(granted)
    if not every and (need.own is None or (need.own and need.own not in granted)):
        return "denied"
    if target in ("any", "own"):
        return "done"
    return "done" if target == "foreign" and every else "none"
