"""Reading from JetStream: one message from the leader, or a stream in pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from nats.aio.msg import Msg

from ...eventlog.errors import Unavailable
from ...eventlog.records import Record
from . import api
from .connection import Connection, Inbox, NoAnswer
from .messages import Subjects, headers_in, record_of

PAGE_RECORDS = 500
PAGE_BYTES = 4 * 1024 * 1024
PAUSE = 0.02

T = TypeVar("T")


class Reader:
    """Reads the messages of one namespace. A question is repeated for `patience` seconds, then it is Unavailable."""

    def __init__(self, connection: Connection, subjects: Subjects, *, answer_timeout: float, patience: float) -> None:
        self.connection = connection
        self.subjects = subjects
        self.answer_timeout = answer_timeout
        self.patience = patience

    async def last(self, stream: str) -> Record | None:
        """The newest record of a stream, from the leader: a follower may lag behind what was acknowledged."""
        return await self._from_leader({"last_by_subj": self.subjects.of(stream)})

    async def behind(self, stream: str, sequence: int) -> Record | None:
        """The first record of a stream behind a sequence, from the leader."""
        return await self._from_leader({"seq": sequence + 1, "next_by_subj": self.subjects.of(stream)})

    async def call(self, subject: str, body: Mapping[str, Any]) -> bytes:
        """JetStream's answer to an API question; it may be an error, though not that JetStream is away."""
        data = api.encode(body)

        async def attempt() -> bytes:
            message = await self.connection.ask(f"$JS.API.{subject}", data, within=self.answer_timeout)
            if (problem := outage(message)) is not None:
                raise NoAnswer(problem)
            return message.data

        return await self._insist(attempt)

    async def pages(self, stream: str, start: int = 1) -> AsyncIterator[list[Record]]:
        """The records of a stream from a sequence on, a page at a time."""
        more = True
        await self._insist(lambda: self.connection.ready_within(self.answer_timeout))
        async with self.connection.inbox() as inbox:
            while more:
                page, more = await self._page(inbox, self.subjects.of(stream), start)
                start = page[-1].position + 1 if page else start
                yield page

    def unavailable(self, found: str) -> Unavailable:
        return Unavailable(
            "the log in NATS does not answer",
            who=self.subjects.bucket,
            expected=f"an answer within {self.patience} s",
            found=found,
            instead="see whether nats-server runs and JetStream has a leader for this stream; then try again",
        )

    async def _from_leader(self, question: Mapping[str, Any]) -> Record | None:
        answer = api.got(await self.call(f"STREAM.MSG.GET.{self.subjects.bucket}", question))
        if answer.message is None:
            if answer.error is not None and answer.error.code == int(api.NOT_FOUND):
                return None
            raise self.unavailable(str(answer.error))
        message = answer.message
        return record_of(message.subject, headers_in(message.hdrs), message.data, message.seq)

    async def _page(self, inbox: Inbox, subject: str, start: int) -> tuple[list[Record], bool]:
        """Some records of a subject from `start` on, and whether there are more."""
        question = {"seq": start, "next_by_subj": subject, "batch": PAGE_RECORDS, "max_bytes": PAGE_BYTES}
        return await self._insist(lambda: self._receive_page(inbox, question))

    async def _receive_page(self, inbox: Inbox, question: Mapping[str, Any]) -> tuple[list[Record], bool]:
        """One page; a page with a gap, because the client dropped a message, is NoAnswer."""
        await self.connection.ready_within(self.answer_timeout)
        reply = inbox.address()
        await self.connection.tell(f"$JS.API.DIRECT.GET.{self.subjects.bucket}", api.encode(question), reply)
        page: list[Record] = []
        while True:
            message = await inbox.take(self.answer_timeout)
            if message.subject != reply:
                continue
            headers = message.headers or {}
            found = headers.get(api.STATUS)
            if found == api.NOT_FOUND:
                return page, False
            if found not in {None, api.END_OF_BATCH}:
                raise NoAnswer(f"status {found} {headers.get('Description', '')}")
            if int(headers["Nats-Last-Sequence"]) != (page[-1].position if page else 0):
                raise NoAnswer("a page came with a gap")
            if found == api.END_OF_BATCH:
                return page, int(headers["Nats-Num-Pending"]) > 0
            page.append(record_of(headers["Nats-Subject"], headers, message.data, int(headers["Nats-Sequence"])))

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
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


def outage(message: Msg) -> str | None:
    """Why an API's answer is none: nobody listens, or JetStream itself has no leader or is not ready."""
    if (message.headers or {}).get(api.STATUS) == api.NO_RESPONDERS:
        return "nobody answers for JetStream"
    error = api.done(message.data).error
    return str(error) if error is not None and error.code == int(api.NO_RESPONDERS) else None
