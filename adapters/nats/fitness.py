"""Whether a server is one that perdure can rely on, and what an acknowledged append survives there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ...eventlog.blobs import CHUNK_BYTES
from ...eventlog.errors import PerdureError, Refused
from ...eventlog.log import Durability
from .monitoring import lax
from .url import Place
from .wire import api
from .wire.buckets import LOG, unusable
from .wire.connection import NoAnswer
from .wire.store import Store, outage

VERSION_MIN = (2, 12)
PAYLOAD_MIN = CHUNK_BYTES + 64 * 1024
JETSTREAM_SECONDS = 3.0
"""How long JetStream may need to answer after a server came up."""


async def fit(store: Store) -> None:
    """Return if this server will do; else Refused says what it lacks."""
    client = store.connection.client
    who = "" if client.connected_url is None else client.connected_url.netloc.rpartition("@")[2]
    version = client.connected_server_version
    if (version.major, version.minor) < VERSION_MIN:
        raise Refused("the server is too old for perdure", who=who, expected=f"nats-server {'.'.join(map(str, VERSION_MIN))} or newer",
                      found=f"nats-server {version}", instead="upgrade nats-server; nothing was written")
    if client.max_payload < PAYLOAD_MIN:
        raise Refused("the server takes only small messages", who=who, where="max_payload", expected=f"at least {PAYLOAD_MIN} bytes",
                      found=f"{client.max_payload}", instead="set max_payload: 1MB (the default) or up to 8MB in its configuration")
    await has_jetstream(store, who)


async def has_jetstream(store: Store, who: str) -> None:
    clock = asyncio.get_running_loop().time
    deadline, found = clock() + JETSTREAM_SECONDS, ""
    while clock() < deadline:
        try:
            message = await store.connection.ask("$JS.API.INFO", b"", within=store.answer_timeout)
        except NoAnswer as away:
            found = str(away)
        else:
            if (problem := outage(message)) is None:
                if (error := api.done(message.data).error) is not None:
                    raise unusable(who, error)
                return
            found = problem
        await asyncio.sleep(0.05)
    raise Refused("there is no JetStream", who=who, where="$JS.API.INFO", expected="a server with JetStream, enabled for this account",
                  found=found, instead="start nats-server with JetStream (`nats-server -js`) and enable it for this account")


async def durability(config: Mapping[str, Any], place: Place) -> Durability:
    """What an acknowledged append survives, by the configuration of the log's stream and by whether the servers sync each write.

    That is not shown to clients: `?monitor=…` says where to look it up; without it `?sync=always` is the operator's word for it.
    A log that does not survive what the URL says is Refused.
    """
    is_asked = place.sync == "always"
    if config.get("storage") == "memory" or config.get("persist_mode") == "async":
        if is_asked:
            raise too_weak(place, config)
        return "memory"
    if not place.monitors:
        return "power" if is_asked else "process"
    found = await lax(place.monitors)
    if is_asked and found:
        raise Refused("the servers do not sync what the URL says", who=place.hidden, where="sync=always",
                      expected="sync_interval: always on every server", found=", ".join(f"{one}: {how}" for one, how in found.items()),
                      instead="set jetstream { sync_interval: always } in their configuration, or leave ?sync=always out and know what a "
                              "power cut may cost")
    return "process" if found else "power"


def too_weak(place: Place, config: Mapping[str, Any]) -> PerdureError:
    storage = f"storage {config.get('storage')}" + (", persist_mode async" if config.get("persist_mode") == "async" else "")
    return Refused("the log does not survive what the URL says", who=f"PERDURE_{place.namespace}_{LOG.part}", where="sync=always",
                   expected="storage file, persist_mode default", found=storage,
                   instead="make the stream anew with file storage, or leave ?sync=always out and know what is lost with the server")
