"""What each part takes of its user's permissions: what it must hear, and what it must say.

A worker that may not hear the beats of others would take them all for dead; one that may not read would serve and answer
nothing. So whatever can be tried without changing anything is tried before a partition is claimed or an order taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...eventlog.streams import escape
from .doors.door import DOORS, QUEUE
from .doors.inbox import CONSUMER
from .doors.task_desk import desk_subject
from .wire.buckets import ALIVE, BUCKETS, DEAD, INBOX, TASKS
from .wire.messages import FENCE, Subjects
from .wire.permitted import Hearing, Saying
from .wire.store import NOWHERE

TRIAL = "permitted"
"""In the place of what comes last in a subject."""

NO_NUMBER = b"?"
"""A pull that the server declines."""
AT_WORK, OF_NOTHING = b"+WPI", "0.0.0.0.0"
"""A sign of life for a delivery that there is not."""


def appending(subjects: Subjects) -> dict[str, Saying]:
    """What whoever owns partitions says: what a log consists of, and questions for it."""
    return trees_of(subjects) | readings_of(subjects)


def trees_of(subjects: Subjects) -> dict[str, Saying]:
    """Messages for all trees but that of beats, none of which is stored, since no subject ends where they expect it to."""
    never = {FENCE: NOWHERE}
    trees = [bucket.tree for bucket in BUCKETS if bucket not in (ALIVE, INBOX)]
    return {subjects.tree(tree): Saying(subjects.root(tree) + TRIAL, headers=never) for tree in trees}


def readings_of(subjects: Subjects) -> dict[str, Saying]:
    """Questions for every bucket that is read, of its leader and of its replicas. They ask for nothing."""
    said: list[Saying] = []
    for bucket in BUCKETS:
        name = subjects.bucket_of(bucket.part)
        said += [Saying(f"$JS.API.STREAM.MSG.GET.{name}", b"{}")] if bucket not in (INBOX, DEAD) else []
        said += [Saying(f"$JS.API.DIRECT.GET.{name}", b"{}")] if bucket not in (INBOX, DEAD, TASKS) else []
    for part, tree in (("LOG", "log"), ("HEADS", "head"), ("SNAPS", "snap")):
        said.append(Saying(f"$JS.API.DIRECT.GET.{subjects.bucket_of(part)}.{subjects.root(tree)}{TRIAL}"))
    return {saying.subject: saying for saying in said}


def serving(subjects: Subjects, worker: str) -> tuple[dict[str, Hearing], dict[str, Saying]]:
    """What a worker hears of others and at its doors, and what it says beside that: to others, and where it takes requests from."""
    root = f"perdure.{subjects.namespace}."
    hear = {f"{root}alive.*": Hearing(f"{root}alive.*")}
    hear |= {f"{root}{tree}.*": Hearing(f"{root}{tree}.{escape(worker)}") for tree in ("probe", "worker")}
    hear |= {f"{root}{door}": Hearing(root + door.replace(">", TRIAL), QUEUE) for door in DOORS}
    hear |= {desk_subject(subjects.namespace): Hearing(desk_subject(subjects.namespace))}
    neighbours = {f"{root}{tree}.*": Saying(f"{root}{tree}.{escape(worker)}") for tree in ("probe", "worker")}
    return hear, neighbours | pulling(subjects.bucket_of(INBOX.part), [CONSUMER])


def performing(subjects: Subjects, queues: Sequence[str]) -> dict[str, Saying]:
    """What a queue worker says: to the owners of runs, and where it takes its orders from."""
    desk = desk_subject(subjects.namespace)
    return {desk: Saying(desk)} | pulling(subjects.bucket_of(TASKS.part), queues)


def pulling(bucket: str, consumers: Sequence[str]) -> dict[str, Saying]:
    """What whoever pulls from these consumers says: a pull for no number of messages, and a word about no message."""
    said: dict[str, Saying] = {}
    for consumer in consumers:
        pull, word = f"$JS.API.CONSUMER.MSG.NEXT.{bucket}.{consumer}", f"$JS.ACK.{bucket}.{consumer}."
        said |= {pull: Saying(pull, NO_NUMBER), f"{word}>": Saying(word + OF_NOTHING, AT_WORK)}
    return said
