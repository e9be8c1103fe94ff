"""What is kept in the JetStream streams of one namespace, as plain messages: asked for, read in pages, published.

A JetStream stream is called a bucket here, since a stream is an actor's. Every question is repeated for `patience` seconds;
then it is Unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from nats.aio.msg import Msg

from ....eventlog.errors import PerdureError, Unavailable
from . import api
from .connection import Connection, NoAnswer
from .messages import FENCE, Message, Subjects
from .sheet import Leaf, Sheet, headers_in

PAGE_MESSAGES = 2000
"""At the end of each the server counts what is left, which costs it as much as some hundreds of messages."""
PAGE_BYTES = 4 * 1024 * 1024
AT_ONCE = 500
"""Questions for a message each: were all answers as large as a record may be, they would fit what a server keeps for a slow reader."""
PAUSE = 0.02
BUSY_PAUSE = 0.001

NOWHERE = str(2**53 - 1)
"""A sequence at which nothing will ever stand."""

TREE_DOTS = 3
"""`perdure.<namespace>.<tree>.>`"""

T = TypeVar("T")


class Store:
    """Asks, reads and publishes for one namespace."""

    def __init__(self, connection: Connection, subjects: Subjects, *, answer_timeout: float = 2.0, patience: float = 10.0) -> None:
        self.connection = connection
        self.subjects = subjects
        self.answer_timeout = answer_timeout
        self.patience = patience

    async def call(self, subject: str, body: Mapping[str, Any]) -> bytes:
        """JetStream's answer to an API question; it may be an error, though not that JetStream is away."""
        data = api.encode(body)

        async def attempt() -> bytes:
            message = await self.connection.ask(f"$JS.API.{subject}", data, within=self.answer_timeout)
            if (problem := outage(message)) is not None:
                raise NoAnswer(problem)
            return message.data

        return await self.insist(attempt)

    async def last(self, part: str, subject: str) -> Message | None:
        """The newest message of a subject, from the leader: a follower may lag behind what was acknowledged. Wildcards are understood."""
        wide = widest(subject)
        found = await self._from_leader(part, {"last_by_subj": wide})
        if found is None and wide != subject:  # perhaps the very last message was deleted
            found = await self._from_leader(part, {"last_by_subj": subject})
        return found

    async def behind(self, part: str, subject: str, sequence: int) -> Message | None:
        """The first message of a subject behind a sequence, from the leader."""
        return await self._from_leader(part, {"seq": sequence + 1, "next_by_subj": subject})

    async def end_of(self, subject: str) -> int | None:
        """The sequence at which a subject ends, 0 where it has nothing, from the leader itself: JetStream's API may have none to ask.

        It is asked by a message that it cannot store, since no subject ends where this one expects it to. None: it does not say where.
        """
        ack = await self._verdict(subject, b"", {FENCE: NOWHERE})
        if ack.error is None:
            raise self.unavailable(f"a message was stored that expected {subject} to end at {NOWHERE}")
        found = ack.error.description.rpartition(" ")[2]
        return int(found) if ack.error.err_code == api.WRONG_LAST_SEQUENCE and found.isdecimal() else None

    async def pages(self, part: str, subject: str, start: int = 1) -> AsyncIterator[list[Message]]:
        """The messages of a subject, or of all that a wildcard covers, from a sequence on, a page at a time.

        They come from any replica, which may lag behind what was acknowledged; what comes has no gap.
        """
        question = {"seq": start, "next_by_subj": widest(subject), "batch": PAGE_MESSAGES, "max_bytes": PAGE_BYTES}
        async for page in self._paged(part, question):
            yield page

    async def newest_of(self, part: str, subjects: Sequence[str], *, at_once: int = AT_ONCE) -> dict[str, Message]:
        """The newest message of each of these subjects that has one, from any replica.

        Each has a question of its own, which the server answers from its index of subjects; for one question about all of them
        (`multi_last`) it looks through everything that it keeps: a second for 300,000 subjects.
        """
        found: dict[str, Message] = {}
        for first in range(0, len(subjects), at_once):
            left = dict.fromkeys(subjects[first : first + at_once])
            await self.insist(partial(self._newest_of, part, left, found))
        return found

    async def _newest_of(self, part: str, left: dict[str, None], found: dict[str, Message]) -> None:
        """Ask for those that are left; NoAnswer where some still are."""
        bucket = self.subjects.bucket_of(part)
        questions = [(f"$JS.API.DIRECT.GET.{bucket}.{subject}", b"") for subject in left]
        answers = await self.connection.ask_all(questions, within=self.answer_timeout)
        for subject, leaf in zip(list(left), answers, strict=True):
            if leaf is None:
                continue
            if not leaf.is_status:
                found[subject] = message_in(leaf)
            elif leaf.headers[api.STATUS] != api.NOT_FOUND:
                continue
            del left[subject]
        if left:
            raise NoAnswer(f"nothing of {len(left)} subjects in {bucket}")

    async def at(self, part: str, sequences: Sequence[int]) -> dict[int, Message]:
        """The messages at these sequences, all asked for at once, from any replica; without those that it does not have, or say."""
        subject, found = f"$JS.API.DIRECT.GET.{self.subjects.bucket_of(part)}", dict[int, Message]()
        for first in range(0, len(sequences), AT_ONCE):
            asked = sequences[first : first + AT_ONCE]
            questions = [(subject, b'{"seq":%d}' % sequence) for sequence in asked]
            answers = await self.insist(partial(self.connection.ask_all, questions, within=self.answer_timeout))
            for sequence, leaf in zip(asked, answers, strict=True):
                if leaf is not None and not leaf.is_status:
                    found[sequence] = message_in(leaf)
        return found

    async def _paged(self, part: str, question: Mapping[str, Any]) -> AsyncIterator[list[Message]]:
        more, start = True, question["seq"]
        await self.insist(lambda: self.connection.ready_within(self.answer_timeout))
        async with self.connection.sheet() as sheet:

            def ask() -> asyncio.Task[tuple[list[Message], bool]]:
                return asyncio.create_task(self.insist(partial(self._receive_page, sheet, part, {**question, "seq": start})))

            asked = ask()
            try:
                while more:
                    page, more = await asked
                    start = page[-1].sequence + 1 if page else start
                    if more:
                        asked = ask()  # the server looks for the next page while this one is read
                    yield page
            finally:
                asked.cancel()

    async def complete(self, part: str, subject: str, start: int = 1) -> AsyncIterator[list[Message]]:
        """Pages like these, as far as the leader has come by now: who lags behind that is asked again."""
        newest = await self.last(part, subject)
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.patience
        while newest is not None and start <= newest.sequence:
            if clock() > deadline:
                raise self.unavailable(f"a replica of {self.subjects.bucket_of(part)} lags behind sequence {newest.sequence}")
            async for page in self.pages(part, subject, start):
                if page:
                    start, deadline = page[-1].sequence + 1, clock() + self.patience
                    yield page
            if start <= newest.sequence:
                await asyncio.sleep(PAUSE)

    async def everything(self, part: str, subject: str, start: int = 1) -> list[Message]:
        """All those messages at once; for what is bounded."""
        return [message async for page in self.complete(part, subject, start) for message in page]

    async def newest(self, part: str, subject: str) -> Message | None:
        """The newest message of a subject, from any replica: for what may be a little old."""
        return await self._seen(f"{self.subjects.bucket_of(part)}.{subject}", b"")

    async def seen_behind(self, part: str, subject: str, sequence: int) -> Message | None:
        """The first message of a subject behind a sequence, from any replica: what it has is true, what it has not may be there."""
        return await self._seen(self.subjects.bucket_of(part), api.encode({"seq": sequence + 1, "next_by_subj": subject}))

    async def _seen(self, asked: str, body: bytes) -> Message | None:
        """One message, from any replica."""

        async def attempt() -> Message | None:
            found = await self.connection.ask(f"$JS.API.DIRECT.GET.{asked}", body, within=self.answer_timeout)
            headers = found.headers or {}
            match headers.get(api.STATUS):
                case None:
                    return Message(headers["Nats-Subject"], int(headers["Nats-Sequence"]), headers, found.data)
                case api.NOT_FOUND:
                    return None
                case status:
                    raise NoAnswer(f"status {status} {headers.get('Description', '')}")

        return await self.insist(attempt)

    async def purge(self, part: str, subject: str, upto: int = 0) -> None:
        """Remove all messages of a subject, or of all that a wildcard covers; with `upto` those up to that sequence."""
        question = {"filter": subject} | ({"seq": upto + 1} if upto else {})
        done = api.done(await self.call(f"STREAM.PURGE.{self.subjects.bucket_of(part)}", question))
        if done.error is not None:
            raise self.refused(part, done.error)

    async def publish(self, part: str, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Publish until it is stored, perhaps twice; the sequence. For what may well be there twice."""
        ack = await self._acknowledged(part, subject, data, dict(headers or {}))
        return ack.seq

    async def replace(self, part: str, subject: str, data: bytes, behind: int, headers: Mapping[str, str] | None = None) -> int | None:
        """Publish if the subject ends at sequence `behind`; the new sequence, or None where another was faster.

        The data must be like no other's: by it an own message is known whose acknowledgement was lost.
        """
        ack = await self._acknowledged(part, subject, data, {FENCE: str(behind), **(headers or {})})
        if ack.error is None:
            return ack.seq
        found = await self.behind(part, subject, behind)
        return found.sequence if found is not None and found.data == data else None

    async def _acknowledged(self, part: str, subject: str, data: bytes, headers: dict[str, str]) -> api.Ack:
        """The verdict on a message: stored, or not where it was expected to be."""
        ack = await self._verdict(subject, data, headers)
        if ack.error is not None and ack.error.err_code != api.WRONG_LAST_SEQUENCE:
            raise self.refused(part, ack.error)
        return ack

    async def _verdict(self, subject: str, data: bytes, headers: dict[str, str]) -> api.Ack:
        """What a leader says of a message that it got."""

        async def attempt() -> api.Ack:
            message = await self.connection.ask(subject, data, headers or None, within=self.answer_timeout)
            if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
                raise NoAnswer("nobody stores what is published there")
            ack = api.ack(message.data)
            match ack.error:
                case api.ApiError(err_code=api.IN_FLIGHT):
                    raise NoAnswer("another message for the subject is under way")
                case api.ApiError(is_passing=True) as error:
                    raise NoAnswer(str(error))
                case _:
                    return ack

        return await self.insist(attempt)

    async def insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What the attempt gives, made again and again until it does or patience ends."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.patience
        found = "no answer"
        while clock() < deadline:
            try:
                return await attempt()
            except NoAnswer as error:
                found = str(error)
            await asyncio.sleep(PAUSE)
        raise self.unavailable(found)

    def unavailable(self, found: str) -> Unavailable:
        return Unavailable(
            "the log in NATS does not answer",
            who=self.subjects.bucket,
            expected=f"an answer within {self.patience} s",
            found=found + (f"; the server said: {self.connection.trouble}" if "permissions" in self.connection.trouble else ""),
            instead="see whether nats-server runs and JetStream has a leader for this stream; then try again",
        )

    def refused(self, part: str, error: api.ApiError) -> PerdureError:
        """Why the server does not do it, where trying again does not help."""
        return Unavailable(
            "the server does not store a message",
            who=self.subjects.bucket_of(part),
            expected="room and a healthy stream",
            found=str(error),
            instead="look at the limits of the JetStream stream and at the server's disk; `perdure nats check` compares its configuration",
        )

    async def _from_leader(self, part: str, question: Mapping[str, Any]) -> Message | None:
        answer = api.got(await self.call(f"STREAM.MSG.GET.{self.subjects.bucket_of(part)}", question))
        if answer.message is None:
            if answer.error is not None and answer.error.code == int(api.NOT_FOUND) and answer.error.err_code != api.STREAM_NOT_FOUND:
                return None
            raise self.unavailable(str(answer.error))
        message = answer.message
        return Message(message.subject, message.seq, headers_in(message.hdrs), message.data)

    async def _receive_page(self, sheet: Sheet, part: str, question: Mapping[str, Any]) -> tuple[list[Message], bool]:
        """One page; a page with a gap, because a message was dropped on the way, is NoAnswer."""
        await self.connection.ready_within(self.answer_timeout)
        reply = sheet.address()
        await self.connection.tell(f"$JS.API.DIRECT.GET.{self.subjects.bucket_of(part)}", api.encode(question), reply)
        answers = await sheet.gathered(self.answer_timeout)
        if answers is None:
            raise NoAnswer(f"nothing within {self.answer_timeout} s")
        *leaves, end = answers
        status = end.headers
        if status[api.STATUS] == api.NOT_FOUND:
            return [], False
        if status[api.STATUS] != api.END_OF_BATCH:
            raise NoAnswer(f"status {status[api.STATUS]} {status[api.DESCRIPTION]}")
        page = [message_in(leaf) for leaf in leaves]
        before = [0, *[message.sequence for message in page]]
        if [int(leaf.said(b"Nats-Last-Sequence")) for leaf in answers] != before:
            raise NoAnswer("a page came with a gap")
        return page, int(status["Nats-Num-Pending"]) > 0


def widest(subject: str) -> str:
    """All of a tree is all of its bucket. Asked for as such, the server need not look at a million subjects one by one."""
    return ">" if subject.count(".") == TREE_DOTS and subject.endswith(".>") else subject


def message_in(leaf: Leaf) -> Message:
    """The message that an answer of a replica holds."""
    return Message(leaf.said(b"Nats-Subject").decode(), int(leaf.said(b"Nats-Sequence")), leaf.headers, leaf.data)


def outage(message: Msg) -> str | None:
    """Why an API's answer is none: nobody listens, or JetStream itself has no leader or is not ready."""
    if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
        return "nobody answers for JetStream"
    error = api.done(message.data).error
    return str(error) if error is not None and error.code == int(api.NO_RESPONDERS) else None
