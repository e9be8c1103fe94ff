"""Keys over HTTP: an admin of a tenant makes, lists, rotates and revokes those of the tenant, and of no other."""

from __future__ import annotations

from msgspec import Struct

from ...eventlog.errors import Unavailable
from ...runtime.requests.access import KeyLine, KeyPage
from ...runtime.requests.paging import LIMIT_MAX
from .auth.keyring import Keyring
from .operations import Answer, Call, Operation

ROOT = "/api/v1/keys"


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose key, in which roles; of a user who has a record in none to have all of theirs. `expires_in`: seconds, 0 for no end."""

    user: str
    roles: tuple[str, ...] = ()
    label: str = ""
    expires_in: float = 0.0


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`overlap`: seconds for which the old key stays good. `expires_in`: those of the new one, 0 for no end."""

    overlap: float = 86400.0
    expires_in: float = 0.0


class RevokeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept in the log."""

    why: str = ""


class KeyParams(Struct, frozen=True, forbid_unknown_fields=True):
    """`after`: the id of the last key of the page before."""

    after: str = ""
    limit: int = 100


class NewKey(Struct, frozen=True):
    """A key that was made: `key` is shown here, once."""

    key: str
    about: KeyLine


class Whoami(Struct, frozen=True):
    """Who asks, as the service knows them."""

    tenant: str
    user: str
    way: str
    roles: tuple[str, ...]
    permissions: list[str]


def _ring(call: Call) -> Keyring:
    if call.keyring is None:
        raise Unavailable("this service has no keys", who="the service", where="PERDURE_KEY_SECRET", expected="a secret to know keys by",
                          found="none: it is in single-user mode", instead="set PERDURE_KEY_SECRET and start it anew")
    return call.keyring


async def create(call: Call) -> Answer:
    body: KeyBody = call.given()
    made = await _ring(call).create(
        call.tenant, body.user, body.roles, label=body.label, expires_in=body.expires_in, by=call.principal.user, command=call.command
    )
    return Answer(NewKey(made.text, made.about), headers=ONCE)


async def rotate(call: Call) -> Answer:
    body: RotateBody = call.given()
    made = await _ring(call).rotate(
        call.parts["key_id"], tenant=call.tenant, overlap=body.overlap, expires_in=body.expires_in, by=call.principal.user,
        command=call.command,
    )  # fmt: skip
    return Answer(NewKey(made.text, made.about), headers=ONCE)


async def revoke(call: Call) -> Answer:
    body: RevokeBody = call.given()
    return Answer(await _ring(call).revoke(call.parts["key_id"], tenant=call.tenant, by=call.principal.user, why=body.why))


async def listed(call: Call) -> Answer:
    params: KeyParams = call.params
    return Answer(await call.runtime.keys(tenant=call.tenant, after=params.after, limit=max(1, min(params.limit, LIMIT_MAX))))


async def whoami(call: Call) -> Answer:
    known = call.principal
    return Answer(Whoami(known.tenant, known.user, known.way, known.roles, sorted(known.permissions)))


ONCE = {"cache-control": "no-store"}

OPERATIONS = (
    Operation(name="keys.create", method="POST", path=ROOT, perform=create, body=KeyBody, answers={201: NewKey},
              summary="Make a key for a user of the tenant; it is shown once"),
    Operation(name="keys.list", method="GET", path=ROOT, perform=listed, params=KeyParams, answers={200: KeyPage},
              summary="List the keys of the tenant"),
    Operation(name="keys.rotate", method="POST", path=f"{ROOT}/{{key_id}}/rotate", perform=rotate, body=RotateBody, answers={201: NewKey},
              summary="Make the successor of a key, which stays good for a while"),
    Operation(name="keys.revoke", method="POST", path=f"{ROOT}/{{key_id}}/revoke", perform=revoke, body=RevokeBody, answers={200: KeyLine},
              summary="Let a key be good no more"),
    Operation(name="whoami", method="GET", path="/api/v1/whoami", perform=whoami, answers={200: Whoami}, summary="Who asks"),
)  # fmt: skip
