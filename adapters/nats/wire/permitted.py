"""Whether the server lets a user do what its part takes: tried at once, before anything depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from nats.errors import Error

from .connection import Connection
from .refusals import forbidden


class Saying(Struct, frozen=True):
    """A message that changes nothing, by which it is tried whether one may be published there."""

    subject: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Hearing(Struct, frozen=True):
    """A subscription that ends at once, by which it is tried whether one may be made there. In a queue it must be where nothing comes."""

    subject: str
    queue: str = ""


async def permitted(connection: Connection, hear: Mapping[str, Hearing], say: Mapping[str, Saying]) -> None:
    """Return where this user may hear and say all of that; else Refused, with the names by which it is given.

    The server answers in order: what it forbids it has said before it answers the flush.
    """
    client: Any = connection.client  # its annotations are incomplete
    connection.unheard.difference_update(one.subject.lower() for one in hear.values())
    unsaid = connection.unsaid = set()
    nobody = client.new_inbox()
    try:
        for one in hear.values():
            await (await client.subscribe(one.subject, one.queue)).unsubscribe()
        for other in say.values():
            await client.publish(other.subject, other.body, nobody, dict(other.headers) or None)
        await client.flush()
    except (Error, OSError):
        return  # the connection is lost: whoever needs it says so
    finally:
        connection.unsaid = None
    mute = [name for name, other in say.items() if other.subject.lower() in unsaid]
    deaf = [name for name, one in hear.items() if one.subject.lower() in connection.unheard]
    if deaf or mute:
        raise forbidden(deaf, mute)
