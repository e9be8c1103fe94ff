"""The JetStream streams of a namespace: which there are, how each is configured, made where missing, never changed.

Some of a configuration is the operator's to choose (replicas, limits of size, placement); the rest has a meaning for
what is kept, and another value is reported as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from ....eventlog.errors import Corrupt, Invalid, PerdureError, Refused
from . import api
from .messages import Subjects
from .store import Store

FORMAT = "0"
FORMAT_KEY, PARTITIONS_KEY = "perdure-format", "perdure-partitions"
PARTITIONS = 64
SECOND = 1000 * api.MILLISECOND


class Bucket(Struct, frozen=True):
    """One JetStream stream of a namespace: its part of the name, the tree of subjects, and what it is configured with beyond the common."""

    part: str
    tree: str
    settings: Mapping[str, Any]


COMMON: Mapping[str, Any] = {
    "storage": "file", "retention": "limits", "discard": "old", "max_age": 0, "max_bytes": -1, "max_msgs": -1, "max_msgs_per_subject": -1,
    "allow_direct": True,
}  # fmt: skip
NEWEST = {"max_msgs_per_subject": 1}
ATOMIC = {"allow_atomic": True}

LOG = Bucket("LOG", "log", {"discard": "new", **ATOMIC})
INBOX = Bucket("IN", "in", {"retention": "workqueue", "discard": "new"})
TASKS = Bucket("TASKS", "task", {**NEWEST, "retention": "workqueue", "discard": "new", "discard_new_per_subject": True})
DEAD = Bucket("DLQ", "dlq", {})
FENCES = Bucket("FENCES", "fence", {"max_msgs_per_subject": 8, **ATOMIC})
ALIVE = Bucket("ALIVE", "alive", {**NEWEST, "storage": "memory", "allow_msg_ttl": True, "subject_delete_marker_ttl": SECOND})
BUCKETS = (
    LOG,
    Bucket("HEADS", "head", {**NEWEST, **ATOMIC}),
    Bucket("WAKE", "wake", {**NEWEST, **ATOMIC, "allow_msg_ttl": True}),
    Bucket("ANCHORS", "anchor", {"max_msgs_per_subject": 16, **ATOMIC}),
    Bucket("SNAPS", "snap", NEWEST),
    Bucket("BLOBS", "blob", {"discard": "new"}),
    FENCES,
    ALIVE,
    INBOX,
    TASKS,
    DEAD,
)
"""None is compressed: nats-server 2.15.1, when it was killed, may go on in a compressed file so that it can read it no more."""

MEANT = (
    "subjects", "retention", "discard", "discard_new_per_subject", "max_age", "max_msgs", "max_msgs_per_subject", "allow_direct",
    "allow_atomic", "allow_msg_ttl", "subject_delete_marker_ttl", "storage", "persist_mode", "no_ack", "sealed", "subject_transform",
    "mirror", "sources",
)  # fmt: skip
"""What of a configuration has a meaning here; a field that a server leaves out has the value of its kind that is empty."""

EMPTY: tuple[Any, ...] = (None, False, 0, "", [], {}, "default")
LASTING = ("storage", "persist_mode")
"""What decides how long a log lasts. Where that of the log itself is otherwise, its durability says so: it may be opened."""


class Difference(Struct, frozen=True):
    """Where the configuration of a JetStream stream is another than perdure relies on."""

    bucket: str
    field: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.bucket}: {self.field} is {self.found!r}, not {self.expected!r}"


def config_of(subjects: Subjects, bucket: Bucket, replicas: int) -> dict[str, Any]:
    """The whole configuration with which a bucket is made."""
    metadata = {FORMAT_KEY: FORMAT, PARTITIONS_KEY: str(subjects.partitions)}
    name, tree = subjects.bucket_of(bucket.part), subjects.tree(bucket.tree)
    return {**COMMON, **bucket.settings, "name": name, "subjects": [tree], "num_replicas": replicas, "metadata": metadata}


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[Difference]:
    """What the server has otherwise than wanted, among the fields that have a meaning."""
    pairs = ((field, wanted.get(field), found.get(field)) for field in MEANT)
    return [Difference(wanted["name"], field, one, other) for field, one, other in pairs if meant(one) != meant(other)]


def meant(value: Any) -> Any:
    """What a field of a configuration says; None where that is nothing."""
    return None if value in EMPTY else value


async def prepare(store: Store, buckets: Iterable[Bucket] = BUCKETS, replicas: int = 1) -> list[str]:
    """Make what is missing, all of it or nothing; the names of what was made. The store learns how many partitions there are.

    An existing bucket that is configured otherwise is Invalid, and left as it is.
    """
    buckets = tuple(buckets)
    there = await existing(store, buckets)
    if LOG.part in there:
        store.subjects = adopted(store.subjects, there[LOG.part])
    elif LOG in buckets and "ANCHORS" in there:
        raise gone(store.subjects)
    found = found_differences(store.subjects, buckets, there)
    refuse([one for one in found if one.bucket != store.subjects.bucket or one.field not in LASTING])
    made: list[str] = []
    try:
        for bucket in buckets:
            made += [bucket.part] if bucket.part not in there and await create(store, bucket, replicas) else []
    except PerdureError as problem:
        names = [store.subjects.bucket_of(part) for part in made]
        if left := [name for name in names if not await removed(store, name)]:
            raise half_made(problem, left) from problem
        raise
    if LOG.part not in there and LOG.part not in made and LOG in buckets:  # another was faster, perhaps with other partitions
        return await prepare(store, buckets, replicas)
    return [store.subjects.bucket_of(part) for part in made]


async def existing(store: Store, buckets: Sequence[Bucket] = BUCKETS) -> dict[str, api.StreamInfo]:
    """What the server says of those buckets that exist, by part."""
    found: dict[str, api.StreamInfo] = {}
    for bucket in buckets:
        name = store.subjects.bucket_of(bucket.part)
        info = api.stream_info(await store.call(f"STREAM.INFO.{name}", {}))
        if info.error is None:
            found[bucket.part] = info
        elif info.error.err_code != api.STREAM_NOT_FOUND:
            raise unusable(name, info.error)
    return found


async def log_config(store: Store) -> Mapping[str, Any]:
    """How the stream of the log is configured."""
    return (await existing(store, [LOG]))[LOG.part].config


def found_differences(subjects: Subjects, buckets: Iterable[Bucket], there: Mapping[str, api.StreamInfo]) -> list[Difference]:
    """Where the buckets that exist are configured otherwise."""
    pairs = ((config_of(subjects, bucket, 1), there[bucket.part].config) for bucket in buckets if bucket.part in there)
    return [difference for wanted, found in pairs for difference in differences(wanted, found)]


def refuse(found: Sequence[Difference], what: str = "a JetStream stream") -> None:
    if found:
        raise Invalid(f"{what} is configured otherwise than perdure relies on", who=found[0].bucket, where=found[0].field,
                      expected=repr(found[0].expected), found="; ".join(map(str, found)),
                      instead="set it back with the tools of NATS (perdure changes no configuration), then see `perdure nats check`")


async def create(store: Store, bucket: Bucket, replicas: int) -> bool:
    """Make a bucket; False where another did in the meantime."""
    config = config_of(store.subjects, bucket, replicas)
    info = api.stream_info(await store.call(f"STREAM.CREATE.{config['name']}", config))
    if info.error is not None and info.error.err_code == api.STREAM_EXISTS:
        return False
    if info.error is not None:
        raise unusable(config["name"], info.error)
    ignored = differences(config, info.config)
    if ignored:
        await store.call(f"STREAM.DELETE.{config['name']}", {})
        raise Refused("the server is too old for perdure", who=config["name"], where=", ".join(one.field for one in ignored),
                      expected="nats-server 2.12 or newer", found=f"nats-server {store.connection.client.connected_server_version}",
                      instead="upgrade nats-server; nothing was left half-made")
    return True


async def removed(store: Store, name: str) -> bool:
    """Whether a bucket that was made a moment ago is gone."""
    with suppress(PerdureError):
        error = api.done(await store.call(f"STREAM.DELETE.{name}", {})).error
        return error is None or error.err_code == api.STREAM_NOT_FOUND
    return False


def half_made(problem: PerdureError, left: Sequence[str]) -> PerdureError:
    """The same problem, with what it has left behind."""
    return type(problem)(
        problem.message, who=problem.who, where=problem.where, expected=problem.expected,
        found=f"{problem.found}; by then {', '.join(left)} had been made, and could not be removed again",
        instead=f"{problem.instead}; then do the same again: what is there is whole, and goes on being used. Or remove it: "
        + "; ".join(f"nats stream rm {name}" for name in left),
    )  # fmt: skip


def adopted(wanted: Subjects, log: api.StreamInfo) -> Subjects:
    """The subjects with as many partitions as the log was made with; a log of another format is Invalid."""
    metadata: Mapping[str, str] = log.config.get("metadata") or {}
    partitions = metadata.get(PARTITIONS_KEY, "")
    if metadata.get(FORMAT_KEY) != FORMAT or not partitions.isdigit():
        raise Invalid("the stream is no log that this release can read", who=wanted.bucket, where=f"metadata {FORMAT_KEY}", expected=FORMAT,
                      found=metadata.get(FORMAT_KEY, "nothing"), instead="choose another namespace, or use the release that made it")
    return Subjects(wanted.namespace, int(partitions))


def gone(subjects: Subjects) -> Corrupt:
    return Corrupt("the log is gone, and its anchors are still there", who=subjects.bucket,
                   expected="the stream of the log", found="none",
                   instead="put it back from a backup; to begin anew, delete the other streams of the namespace too")


def unusable(bucket: str, error: api.ApiError) -> PerdureError:
    """Why a bucket can be neither asked for nor made."""
    if error.err_code in {api.NO_JETSTREAM, api.NO_JETSTREAM_FOR_ACCOUNT}:
        return Refused("there is no JetStream for this user", who=bucket, where="the account of the user", expected="JetStream enabled",
                       found=str(error), instead="start nats-server with JetStream (`nats-server -js`) and enable it for this account")
    return Refused("the server does not make or show a JetStream stream", who=bucket, expected="a stream that can be made and read",
                   found=str(error), instead="see the limits of the account, the disk, and whether there are servers for each replica")
