"""Passing on: what concerns a stream that another node owns goes to its owner, and the answer comes back.

Between nodes only bytes travel: a Request, or a command that an actor has for another (`Spoken`), and the reply to it. A request
is repeated under one command id until an owner has judged it or its time is over, so that nobody notices an owner's end.
A command is sent once: who says it, says it again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, get_type_hints

import anyio
import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ...actors.declared import commands_of
from ...actors.kind import Kind
from ...actors.ref import Speaking
from ...eventlog.errors import Invalid, PerdureError, Unavailable
from ...eventlog.guard import guard
from ..authoring.values import NOTHING, explained
from ..requests import (
    Answered,
    AnyReply,
    AnyRequest,
    Applied,
    AwaitRun,
    Declined,
    HoldRun,
    LookAtRun,
    PauseRun,
    QueryRun,
    Request,
    UpdateRun,
)
from ..run import commands as cmd
from ..run import events as ev
from ..run.performing import Standing
from ..translating import stream_for
from .queueing import SAID, Queueing, Taking, Verdict

AnyKind = Kind[Any, Any, Any]

COMMAND_SLICE, WAIT_SLICE = 2.0, 10.0
"""Seconds until an owner that has not answered a command, or a wait for something that lasts, is looked for anew."""

GRACE = 0.5
"""Seconds that the way there and back may take."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5

QUESTIONS = (QueryRun, LookAtRun, AwaitRun)
"""They change nothing, so that they need no name by which a repeat is known."""

Here = Callable[[AnyRequest], Awaitable[Applied | Answered]]


class Neighbours(Protocol):
    """The nodes that serve one log together, and a road to each."""

    here: str
    """The name of this node."""

    def owner_of(self, stream: str) -> str | None:
        """The node that owns a stream, this one among them; None where nobody is known to."""
        ...

    async def ask(self, node: str, letter: bytes, within: float) -> bytes:
        """What `Passing.take` of another node gives for a letter; Unavailable where that does not come in so many seconds."""
        ...


class Spoken(Struct, frozen=True, tag_field="request", tag="speak", omit_defaults=True):
    """A command to an actor: the name of its type, and itself. With `tell` nobody waits for what becomes of it."""

    stream: str
    command: str
    data: Raw
    within: float | None = None
    tell: bool = False


class ActorAnswer(Struct, frozen=True, tag_field="reply", tag="told"):
    """What the actor answers."""

    answer: Raw


_encode = msgspec.json.Encoder().encode
Letter = AnyRequest | Spoken | Taking
_letter: Callable[[bytes], Letter] = msgspec.json.Decoder(Letter).decode
_reply: Callable[[bytes], AnyReply | ActorAnswer] = msgspec.json.Decoder(AnyReply | ActorAnswer).decode


class Passing:
    """Does what concerns this node's streams here, and has the rest done where it belongs."""

    def __init__(  # noqa: PLR0917 - what a runtime is made of
        self, neighbours: Neighbours, do_here: Here, speaking: Speaking, kinds: Mapping[str, AnyKind], name: Callable[[str], str],
        patience: float, *, queueing: Queueing | None = None,
    ) -> None:  # fmt: skip
        self.neighbours = neighbours
        self._do_here = do_here
        self._speaking = speaking
        self._kinds = kinds
        self._name = name
        """A command id for a request that has none."""
        self._patience = patience
        self.queueing = queueing
        """What of this node's attempts is left to task queues, where there are such."""

    async def do(self, request: AnyRequest, here: Here | None = None) -> Applied | Answered:
        """As `Runtime.do`, wherever the run is; Unavailable where no owner has answered in the request's own time.

        `here` does it where it is this node's, if the asker knows a shorter way.
        """
        stream, left = stream_for(request), self._seconds(request)
        if not request.command and not isinstance(request, QUESTIONS):
            request = replace(request, command=self._name(stream), within=_limit(left))
        here, clock, pause = here or self._do_here, anyio.current_time, FIRST_PAUSE
        began = clock()
        end = began + left
        while True:
            node = self.neighbours.owner_of(stream)
            try:
                if node == self.neighbours.here:
                    return await here(_until(request, left))
                return await self._there(node, stream, _until(request, min(WAIT_SLICE if lasts(request) else COMMAND_SLICE, left)))
            except Unavailable:
                now = clock()
                if now + pause >= end or (node == self.neighbours.here == self.neighbours.owner_of(stream)):
                    raise
                if now - began > LONGEST_PAUSE:
                    pause = FIRST_PAUSE
            await anyio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
            began = clock()
            left = end - began

    async def ask(self, stream: str, command: Any, *, within: float | None = None) -> Any:
        """What the actor of a stream answers, wherever it is."""
        node = self.neighbours.owner_of(stream)
        if node == self.neighbours.here:
            return await self._speaking.ask(stream, command, within=within)
        kind = self._kind_of(stream)
        told = await self._speak(node, Spoken(stream, *_written(kind, command), within))
        answer = _read(_answer_type(kind, command.__class__), told, stream, "answer")
        return answer.near() if isinstance(answer, FarStanding) else answer

    async def tell(self, stream: str, command: Any) -> None:
        """Leave a command with an actor, wherever it is."""
        node = self.neighbours.owner_of(stream)
        if node == self.neighbours.here:
            await self._speaking.tell(stream, command)
        else:
            await self._speak(node, Spoken(stream, *_written(self._kind_of(stream), command), tell=True))

    async def take(self, letter: bytes) -> bytes:
        """What `answer` gives to a neighbour's letter; one that cannot be read is Declined."""
        try:
            return await self.answer(opened(letter))
        except PerdureError as error:
            return _encode(Declined.of(error))

    async def answer(self, asked: Letter) -> bytes:
        """Do here what a neighbour passed on, whoever owns it by now: what is not ours is Unavailable, never passed on again."""
        reply: AnyReply | ActorAnswer
        try:
            match asked:
                case Spoken():
                    reply = await self._hear(asked)
                case Taking():
                    reply = await self._judge(asked)
                case _:
                    reply = await self._do_here(asked)
        except PerdureError as error:
            reply = Declined.of(error)
        return _encode(reply)

    async def relay(self, letter: bytes) -> bytes:
        """What the owner of a run answers to the letter of a queue worker, which knows no owners."""
        try:
            asked = opened(letter)
            if not isinstance(asked, Taking) and not (isinstance(asked, Spoken) and asked.command in SAID and not asked.tell):
                raise _unspeakable(f"request {asked.__struct_config__.tag!r}", getattr(asked, "command", "a request"), ", ".join(SAID))
            node = self.neighbours.owner_of(asked.stream)
            if node == self.neighbours.here:
                return await self.answer(asked)
            return await self.neighbours.ask(_known(node, asked.stream), letter, COMMAND_SLICE)
        except PerdureError as error:
            return _encode(Declined.of(error))

    async def _hear(self, said: Spoken) -> ActorAnswer:
        kind = self._kind_of(said.stream)
        known = _names(kind)
        if said.command not in known:
            raise _unspeakable(said.stream, said.command, ", ".join(known))
        command = _read(known[said.command], said.data, said.stream, "command")
        if said.tell:
            await self._speaking.tell(said.stream, command)
            return ActorAnswer(Raw(b"null"))
        answer = await self._speaking.ask(said.stream, command, within=said.within)
        if self.queueing is not None:
            self.queueing.heard(said.stream, command)
        return ActorAnswer(_bytes_of(said.stream, answer))

    async def _judge(self, taking: Taking) -> ActorAnswer:
        if self.queueing is None:
            raise Unavailable("this node leaves no steps to task queues", who=taking.stream, where=f"step {taking.id}",
                              instead="let all nodes of a namespace run releases that know each other")
        return ActorAnswer(Raw(_encode(await self.queueing.judge(taking))))

    async def _there(self, node: str | None, stream: str, request: AnyRequest) -> Applied | Answered:
        reply = await self._sent(node, stream, _encode(request), request.within or 0.0)
        if isinstance(reply, ActorAnswer):
            raise _senseless(stream, "told")
        return reply

    async def _speak(self, node: str | None, said: Spoken) -> Raw:
        within = self._patience if said.within is None else said.within
        reply = await self._sent(node, said.stream, _encode(said), within)
        if not isinstance(reply, ActorAnswer):
            raise _senseless(said.stream, type(reply).__name__)
        return reply.answer

    async def _sent(self, node: str | None, stream: str, letter: bytes, within: float) -> Applied | Answered | ActorAnswer:
        node = _known(node, stream)
        try:
            reply = _reply(guard(await self.neighbours.ask(node, letter, within + GRACE), f"node {node!r}"))
        except msgspec.MsgspecError as error:
            raise _senseless(stream, str(error)) from error
        if isinstance(reply, Declined):
            raise reply.error()
        return reply

    def _kind_of(self, stream: str) -> AnyKind:
        name = stream.partition("/")[0]
        kind = self._kinds.get(name)
        if kind is None:
            raise Invalid("no such kind of actor is served here", who=stream, expected=", ".join(sorted(self._kinds)), found=name,
                          instead="serve the same kinds on every node: perdure.open(kinds=[…])")
        return kind

    def _seconds(self, request: AnyRequest) -> float:
        if request.within is not None:
            return request.within
        return float("inf") if isinstance(request, AwaitRun) or (isinstance(request, UpdateRun) and request.wait) else self._patience


def spoken(stream: str, command: Any) -> bytes:
    """The letter by which a queue worker says a command to a run."""
    if isinstance(command, cmd.StepBroke) and command.retry is not None:
        command = replace(command, retry=command.retry.settled(command.kinds))
    return _encode(Spoken(stream, type(command).__name__, _bytes_of(stream, command)))


def taken(taking: Taking) -> bytes:
    """The letter by which it asks what to do with an order."""
    return _encode(taking)


def verdict_in(reply: bytes, stream: str) -> Verdict:
    """What it is answered; raises what the owner of the run says against it."""
    verdict: Verdict = _read(Verdict, answer_in(reply, stream), stream, "verdict")
    return verdict


def answer_in(reply: bytes, stream: str) -> Raw:
    """What a run has answered to a queue worker; raises what was said against it."""
    try:
        found = _reply(guard(reply, "the owner of a run"))
    except msgspec.MsgspecError as error:
        raise _senseless(stream, str(error)) from error
    if isinstance(found, Declined):
        raise found.error()
    if not isinstance(found, ActorAnswer):
        raise _senseless(stream, type(found).__name__)
    return found.answer


def lasts(asked: Request | Spoken | Taking) -> bool:
    """Whether it may take as long as the code of a run pleases."""
    return isinstance(asked, AwaitRun | QueryRun | HoldRun) or (isinstance(asked, PauseRun | UpdateRun) and asked.wait)


def _until(request: AnyRequest, seconds: float) -> AnyRequest:
    within = _limit(seconds)
    return request if within == request.within else replace(request, within=within)


def _limit(seconds: float) -> float | None:
    return None if seconds == float("inf") else max(0.0, seconds)


def _known(node: str | None, stream: str) -> str:
    if node is None:
        raise Unavailable("no node is known to own the run", who=stream, expected="an owner", found="none at present",
                          instead="ask again with the same command id: its partition is being taken over")
    return node


def opened(letter: bytes) -> Letter:
    """What a neighbour's letter says; Invalid where it cannot be read."""
    try:
        return _letter(guard(letter, "a neighbour's letter"))
    except (msgspec.MsgspecError, ValueError) as error:
        expected, found, where = explained(error)
        raise Invalid("a neighbour's letter cannot be read", who="another node", where=where, expected=expected, found=found,
                      instead="let all nodes of a namespace run releases that know each other") from error


def _names(kind: AnyKind) -> dict[str, Any]:
    """The types of a kind's commands by their names."""
    return {getattr(each, "__name__", str(each)): each for each in commands_of(type(kind), Kind)}


def _written(kind: AnyKind, command: Any) -> tuple[str, Raw]:
    name, known = type(command).__name__, _names(kind)
    if name not in known:
        raise _unspeakable(f"kind {kind.name!r}", name, ", ".join(known))
    return name, _bytes_of(f"kind {kind.name!r}", command)


class FarStanding(Struct, frozen=True):
    """A Standing on its way, its result beside it: msgspec cannot read a `Raw` that may be None."""

    standing: Standing
    result: Raw = NOTHING

    @classmethod
    def of(cls, standing: Standing) -> FarStanding:
        result = NOTHING if standing.result is None else standing.result
        return cls(replace(standing, result=None, approvals=dict(standing.approvals)), result)

    def near(self) -> Standing:
        return replace(self.standing, result=self.result if self.standing.status == "completed" else None)


ANSWERS: Mapping[type, Any] = dict.fromkeys((cmd.Start, cmd.Watch, cmd.Follow, cmd.Leave, ev.ChildEnded), FarStanding)
"""What runs answer to the commands that other actors have for them."""


def _answer_type(kind: AnyKind, command: type) -> Any:
    if kind.name == "run":
        return ANSWERS.get(command, Any)
    try:
        return get_type_hints(type(kind).answer).get("return", Any)
    except (NameError, TypeError):
        return Any


def _bytes_of(who: str, value: Any) -> Raw:
    if isinstance(value, Standing):
        value = FarStanding.of(value)
    try:
        return Raw(_encode(value))
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError) as error:
        raise Invalid("what an actor says or is told cannot travel to another node", who=who, where=type(value).__name__,
                      expected="what msgspec encodes: builtins, Structs, dataclasses", found=str(error),
                      instead="declare commands and answers of such types in the class line of the kind") from error


def _read(type_: Any, data: Raw, who: str, what: str) -> Any:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, TypeError) as error:
        raise Invalid(f"the {what} of another node cannot be read", who=who, expected=str(type_), found=str(error),
                      instead="declare what `answer` returns by types that msgspec decodes, the same on every node") from error


def _unspeakable(who: str, found: str, known: str) -> Invalid:
    return Invalid("no such command can be said to an actor on another node", who=who, where="command", expected=known or "none",
                   found=found, instead="name the type of the command in the class line of the kind: Kind[State, Deposit | Close, …]")


def _senseless(stream: str, found: str) -> Unavailable:
    return Unavailable("the owner's reply cannot be read", who=stream, expected="a reply to what was asked", found=found,
                       instead="let all nodes of a namespace run releases that know each other, then ask again")
