"""A connection to NATS that reconnects for ever, and one inbox for the answers to all questions.

The client buffers what is published while it is away and swallows cancellation while its buffer is full; so nothing is
asked before the connection stands, and only long-lived tasks of this room ask.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error, OutboundBufferLimitError

from ....eventlog.errors import Refused, Unavailable
from .frames import plain
from .patient import NoTls, PatientClient, is_hopeless
from .refusals import deaf, denied, forbidden, in_the_clear, not_let_in
from .sheet import Basket, Leaf, Sheet

logger = logging.getLogger("perdure.nats")

PENDING_BYTES_MAX = 64 * 1024 * 1024
PAUSE = 0.005
CONNECT_SECONDS = 10.0
WARN_EVERY = 10.0
DEAF = re.compile(r'permissions violation for subscription to "([^"]+)"', re.IGNORECASE)
DENIED = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)


class NoAnswer(Exception):
    """Nothing came back: whether the question arrived is unknown."""


class Answer(Protocol):
    """Who waits for an answer: a future, or something like one."""

    def done(self) -> bool: ...

    def set_result(self, result: Msg, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


class Question(Struct, frozen=True):
    """What was asked, and who waits for it."""

    subject: str
    answer: Answer


class Connection:
    """Asks questions and hands out inboxes."""

    def __init__(self) -> None:
        self.client = PatientClient()
        self.losses = 0
        self.trouble = ""
        """What the client or the server said last of what is wrong."""
        self.deaf = ""
        """The subject of answers to which this user may not subscribe."""
        self.unheard: set[str] = set()
        """Other subjects to which it may not, as the client writes them: in lower case."""
        self.unsaid: set[str] | None = None
        """While somebody tries what this user may publish: what it may not."""
        self._hopeless = asyncio.Event()
        self._why_hopeless: Callable[[str | Sequence[str]], Refused] = partial(not_let_in, found="")
        self._said = ("", 0.0)
        self._up = asyncio.Event()
        self._closing = False
        self._prefix = ""
        self._count = 0
        self._questions: dict[str, Question] = {}

    async def open(self, servers: str | Sequence[str], **options: Any) -> None:
        """Connect within `CONNECT_SECONDS`; credentials that are refused, and certificates that do not fit, are Refused at once."""
        settings: dict[str, Any] = {
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.1,
            "ping_interval": 5,
            "max_outstanding_pings": 2,
            "pending_size": PENDING_BYTES_MAX,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_lost,
            "reconnected_cb": self._on_back,
            "closed_cb": self._on_closed,
            "lame_duck_mode_cb": self._on_lame_duck,
        }
        given = servers if isinstance(servers, str) else list(servers)
        connecting = asyncio.create_task(self.client.connect(given, **settings | options))
        hopeless = asyncio.create_task(self._hopeless.wait())
        try:
            await asyncio.wait({connecting, hopeless}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                raise self._why_hopeless(given) if hopeless.done() else unreachable(given, self.trouble or "no answer")
            await connecting
        finally:
            connecting.cancel()
            hopeless.cancel()
            await asyncio.wait({connecting, hopeless})
        self._prefix = self.client.new_inbox() + "."
        await self._subscribe(self._prefix + "*", self._on_answer)
        await self.client.flush()
        if self.deaf:
            raise deaf(self.deaf)
        self._up.set()

    async def ready(self) -> None:
        """Wait until the connection stands; one that was closed will not again, and that is Unavailable."""
        while not self.client.is_connected:
            if self.client.is_closed:
                raise Unavailable("the connection to NATS is closed", who="the log", expected="an open connection",
                                  found=str(self.client.last_error or "closed"), instead="open the log again")
            await (asyncio.sleep(PAUSE) if self._up.is_set() else self._up.wait())

    async def ready_within(self, seconds: float) -> None:
        """The same for so many seconds, then NoAnswer."""
        if not self.client.is_connected:
            try:
                async with asyncio.timeout(seconds):
                    await self.ready()
            except TimeoutError as error:
                raise NoAnswer(f"the connection is away: {self.trouble or 'lost'}") from error

    async def ask(self, subject: str, body: bytes, headers: dict[str, str] | None = None, *, within: float) -> Msg:
        """The answer to a message. None within so many seconds is NoAnswer, a lack of permission Refused."""
        await self.ready_within(within)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Msg] = loop.create_future()
        reply = self.expect(subject, answer)
        alarm = loop.call_later(within, give_up, answer, within)
        try:
            await self.client.publish(subject, body, reply, headers)
            return await answer
        except (ConnectionClosedError, OutboundBufferLimitError) as error:
            raise NoAnswer(str(error)) from error
        except NoAnswer:
            if self.deaf:  # said by the server a moment after it let us in
                raise deaf(self.deaf) from None
            raise
        finally:
            alarm.cancel()
            self.expect_no_more(reply)

    def expect(self, subject: str, answer: Answer) -> str:
        """The address to which the answer to a message is to come; `answer` hears of it, or of why there will be none."""
        self._count += 1
        reply = f"{self._prefix}{self._count}"
        self._questions[reply] = Question(subject, answer)
        return reply

    def expect_no_more(self, reply: str) -> None:
        """What still comes there is for nobody."""
        self._questions.pop(reply, None)

    def give_up_on(self, subject: str) -> None:
        """Who answers there is dead: nothing more is to be waited for."""
        for question in self._questions.values():
            if question.subject == subject and not question.answer.done():
                question.answer.set_exception(NoAnswer("who was asked is taken for dead"))

    async def tell(self, subject: str, body: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Send a message whose answers come to an inbox, or that has none."""
        try:
            await self.client.publish(subject, body, reply, headers)
        except (ConnectionClosedError, OutboundBufferLimitError) as error:
            raise NoAnswer(str(error)) from error

    async def send(self, frames: bytes) -> None:
        """Send messages that are framed already, many at once."""
        client: Any = self.client
        if client.is_closed:
            raise NoAnswer("the connection is closed")
        await client._send_command(frames)  # noqa: SLF001 - what its own `publish` does with each frame
        await client._flush_pending()  # noqa: SLF001

    @asynccontextmanager
    async def inbox(self) -> AsyncGenerator[Inbox]:
        """An inbox for answers of many messages."""
        inbox = Inbox(self.client.new_inbox())
        subscription = await self._subscribe(f"{inbox.prefix}.*", inbox.put)
        try:
            yield inbox
        finally:
            if not self.client.is_closed:
                await subscription.unsubscribe()

    @asynccontextmanager
    async def sheet(self) -> AsyncGenerator[Sheet]:
        """The same for answers that come in masses: they are gathered as bytes."""
        sheet = Sheet(self.client.new_inbox())
        async with self._hearing(sheet.prefix, sheet.hear):
            yield sheet

    async def ask_all(self, questions: Sequence[tuple[str, bytes]], *, within: float) -> list[Leaf | None]:
        """The answers to many questions, a subject and a body each, that are sent as one; None where none came in time."""
        await self.ready_within(within)
        prefix = self.client.new_inbox()
        basket = Basket(prefix, len(questions))
        frames = [plain(subject.encode(), body, f"{prefix}.{number}".encode()) for number, (subject, body) in enumerate(questions)]
        async with self._hearing(prefix, basket.hear):
            await self.send(b"".join(frames))
            return await basket.filled(within)

    @asynccontextmanager
    async def _hearing(self, prefix: str, hear: Callable[[bytes, bytes, bytes], None]) -> AsyncGenerator[None]:
        """Whoever hears what comes below a prefix, as bytes."""
        client: Any = self.client  # its annotations are incomplete
        subscription = await client.subscribe(f"{prefix}.*")
        client.straight[subscription._id] = hear  # noqa: SLF001 - the only name that it has on the wire
        try:
            yield
        finally:
            client.straight.pop(subscription._id)  # noqa: SLF001
            if not client.is_closed:
                await subscription.unsubscribe()

    async def close(self) -> None:
        self._closing = True
        await self.client.close()

    async def listen(self, hear: Mapping[str, Callable[[Msg], Awaitable[None]]], *, queue: str = "") -> list[Subscription]:
        """Hear what comes on these subjects; Refused, with their names, where the server does not let this user."""
        self.unheard.difference_update(map(str.lower, hear))
        subscriptions = [await self._subscribe(subject, ear, queue) for subject, ear in hear.items()]
        await self.client.flush()  # what it does not allow it says before it answers
        if unheard := [subject for subject in hear if subject.lower() in self.unheard]:
            for subscription in subscriptions:
                await subscription.unsubscribe()
            raise forbidden(unheard, ())
        return subscriptions

    async def _subscribe(self, subject: str, hear: Callable[[Msg], Awaitable[None]], queue: str = "") -> Subscription:
        client: Any = self.client  # its annotations are incomplete
        subscription: Subscription = await client.subscribe(subject, queue=queue, cb=hear)
        return subscription

    async def _on_answer(self, message: Msg) -> None:
        question = self._questions.get(message.subject)
        if question is not None and not question.answer.done():
            question.answer.set_result(message)

    async def _on_error(self, error: Exception) -> None:
        self.trouble = str(error) or type(error).__name__
        if self.unsaid is None:  # else whoever tries it tells all at once
            self._warn(self.trouble)
        if is_hopeless(error):
            if not self._hopeless.is_set():  # that the server hung up thereupon says less
                self._why_hopeless = in_the_clear if isinstance(error, NoTls) else partial(not_let_in, found=self.trouble)
            self._hopeless.set()
        if found := DENIED.search(self.trouble):
            self._deny(found[1].lower())
        if found := DEAF.search(self.trouble):
            self._miss(found[1].lower())

    def _warn(self, text: str) -> None:
        """Say it, though not ten times a second."""
        now = asyncio.get_running_loop().time()
        if text != self._said[0] or now > self._said[1] + WARN_EVERY:
            self._said = (text, now)
            logger.warning("nats: %s", text)

    async def _on_lame_duck(self) -> None:
        """The server is about to end and will cut the connections one by one: go to another while all is well, if there is one."""
        logger.warning("nats: the server is about to shut down")
        if len(self.client.servers) > 1:
            await self.client.force_reconnect()

    async def _on_lost(self) -> None:
        if not self._closing:
            logger.warning("nats: the connection is lost")
        self.losses += 1
        self._up.clear()
        self._fail(NoAnswer("the connection is lost"))

    async def _on_back(self) -> None:
        logger.info("nats: connected again")
        self._up.set()

    async def _on_closed(self) -> None:
        logger.info("nats: the connection is closed")
        self._fail(NoAnswer("the connection is closed"))
        self._up.set()

    def _miss(self, subject: str) -> None:
        """Know what will not be heard: answers, or something else."""
        inboxes = self._prefix.rpartition(".")[0].rpartition(".")[0]
        if subject.startswith(f"{inboxes}.".lower()):
            self.deaf = subject
        else:
            self.unheard.add(subject)

    def _deny(self, subject: str) -> None:
        """Tell the asker; the client lowers the case of what the server says, so two that look alike are left in doubt."""
        if self.unsaid is not None:
            self.unsaid.add(subject)
        asked = [question for question in self._questions.values() if question.subject.lower() == subject and not question.answer.done()]
        for question in asked:
            question.answer.set_exception(denied(question.subject) if len(asked) == 1 else NoAnswer("perhaps not permitted"))

    def _fail(self, error: Exception) -> None:
        for question in self._questions.values():
            if not question.answer.done():
                question.answer.set_exception(error)


class Inbox:
    """What arrives at the addresses of an inbox, in order. Askers bound how much that can be."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._count = 0
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()

    def address(self) -> str:
        """A new address, so that late answers to an older question can be told apart."""
        self._count += 1
        return f"{self.prefix}.{self._count}"

    async def put(self, message: Msg) -> None:
        self._arrived.put_nowait(message)

    async def take(self, within: float) -> Msg:
        """The next message; none within so many seconds is NoAnswer."""
        if not self._arrived.empty():
            return self._arrived.get_nowait()
        try:
            async with asyncio.timeout(within):
                return await self._arrived.get()
        except TimeoutError as error:
            raise NoAnswer(f"nothing within {within} s") from error


@asynccontextmanager
async def connect(servers: str | Sequence[str], **options: Any) -> AsyncGenerator[Connection]:
    """A connection with the settings that a log needs; `options` are those of nats-py and win."""
    _must_be_on_asyncio(servers)
    connection = Connection()
    try:
        await connection.open(servers, **options)
    except BaseException as error:
        await connection.close()
        if isinstance(error, Error | OSError):
            raise unreachable(servers, repr(error)) from error
        if isinstance(error, ModuleNotFoundError):
            raise Unavailable("credentials cannot be used", who=str(servers), expected="the package nkeys", found=str(error),
                              instead="pip install 'perdure[nats]'") from error
        raise
    try:
        yield connection
    finally:
        await connection.close()


def _must_be_on_asyncio(servers: str | Sequence[str]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Unavailable("the client for NATS runs on asyncio alone", who=str(servers), expected="asyncio, or uvloop",
                          found="another event loop", instead="anyio.run(main), without backend='trio'") from None


def unreachable(servers: str | Sequence[str], found: str) -> Unavailable:
    return Unavailable(
        "NATS cannot be reached",
        who=str(servers),
        expected=f"a server that answers within {CONNECT_SECONDS:g} s",
        found=found,
        instead="start nats-server with JetStream (`nats-server -js`), or correct the address",
    )


def give_up(answer: asyncio.Future[Msg], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(NoAnswer(f"nothing within {seconds} s"))
