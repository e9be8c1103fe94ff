"""Types of steps as plug-ins: what a type takes, and how it is performed.

    class Greet(StepType[GreetConfig]):
        name, config, example = "greet", GreetConfig, {"whom": "Ada"}

        async def perform(self, config: GreetConfig) -> str:
            return f"Hello {config.whom}"

Pass an instance to `perdure.open(step_types=[…])`, or name it in a package's entry points under `perdure.step_types`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct, UnsetType

from ...eventlog.errors import Invalid, NotFound, PerdureError
from ...eventlog.streams import parts_of
from ..authoring.errors import Fatal, failure_of
from ..authoring.given import many
from ..authoring.retry import Retry
from ..authoring.rules import Rules
from ..authoring.steps import Step, current
from ..authoring.values import explained
from .durations import Duration, duration_of
from .model import RetrySpec, StepSpec
from .secrecy import Cover, NoSecrets, Place, Secrets, places_in, with_secrets
from .shapes import CORE, SHAPES

C = TypeVar("C", bound=Struct)

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
NOWHERE: frozenset[Place] = frozenset()


class StepType(Generic[C]):
    """Subclass it, give `name`, `config` (a msgspec.Struct) and `example`, and write `perform`."""

    name: ClassVar[str]
    config: type[C]
    example: ClassVar[dict[str, Any]] = {}
    since: ClassVar[str] = "0.1.0"
    """The release of perdure that it needs at least."""
    timeout: ClassVar[timedelta | None] = timedelta(minutes=1)
    """Of one attempt, where a step names none."""
    heartbeat: ClassVar[timedelta | None] = None
    """How long an attempt may go without a call of `perdure.current().heartbeat()`."""
    retry: ClassVar[Retry] = Retry()
    recorded: ClassVar[tuple[str, ...]] = ()
    """The fields of the config that performing it records, so that no secret may stand in them."""

    def why_not(self, config: Mapping[str, Any]) -> str:
        """What is wrong with a config though each of its fields fits; empty where nothing is. Its expressions are not evaluated yet."""
        return ""

    def wrong(self, config: Mapping[str, Any]) -> Iterable[Invalid]:
        """What is wrong with single parts that are written out, each as an error whose `where` is its place in the config."""
        return ()

    async def perform(self, config: C) -> Any:
        """Do it; what is returned, encodable by msgspec, is what the step gives. `perdure.current()` knows the attempt.

        An error is tried again by the retry policy, `perdure.Fatal` is not. Secrets are in the config by now, and nowhere else.
        """
        raise TypeError(f"{type(self).__name__} must say what it does: define 'perform'")


class RetryLine(Struct, frozen=True):
    """The policy of a type's attempts, where a step gives none of its own: the fields of `retry`, times in seconds."""

    attempts: int
    first: float
    factor: float
    longest: float
    jitter: float

    @classmethod
    def of(cls, retry: Retry) -> RetryLine:
        return cls(retry.attempts, retry.first.total_seconds(), retry.factor, retry.longest.total_seconds(), retry.jitter)


class TypeLine(Struct, frozen=True):
    """What is told of a type: JSON Schema of its config, an example, the release it needs, and its defaults."""

    name: str
    description: str
    config_schema: dict[str, Any]
    example: dict[str, Any]
    min_engine_version: str
    timeout_seconds: float | None
    retry_attempts: int
    retry: RetryLine | None = None
    """How the attempts follow each other, as a definition may write it; None for what is not attempted."""


class Types:
    """The types of steps that a runtime performs, and the steps that are code which definitions may name."""

    def __init__(
        self, types: Iterable[StepType[Any]] = (), steps: Iterable[Step[..., Any]] = (), *, secrets: Secrets | None = None,
        discover: Callable[[], Iterable[StepType[Any]]] = tuple,
    ) -> None:  # fmt: skip
        self.given = tuple(map(_checked, types))
        """Those that were passed."""
        self._all = {one.name: one for one in self.given}
        given = many(steps, Step, "perdure.open", "steps", "write steps=[…], each a function decorated with @step")
        self.steps = {step.name: step for step in given}
        self._secrets = secrets or NoSecrets()
        self._discover: Callable[[], Iterable[StepType[Any]]] | None = discover
        self._made: dict[tuple[str, Retry | None, timedelta | None, frozenset[Place]], Step[..., Any]] = {}

    @property
    def known(self) -> dict[str, StepType[Any]]:
        """By name. Entry points are looked for when they are first needed; a type that was passed wins over one found there."""
        if self._discover is not None:
            found, self._discover = self._discover(), None
            self._all = {one.name: _checked(one) for one in found} | self._all
        return self._all

    def lines(self) -> list[TypeLine]:
        """All types, those of the engine among them, in the order of their names."""
        core = [_core_line(name) for name in CORE]
        return sorted([*core, *map(_line, self.known.values())], key=lambda line: line.name)

    def step_of(self, spec: StepSpec) -> Step[..., Any]:
        """What performs a step of a plug-in type, by its definition's rules. The type is looked for when it is performed."""
        name, places = spec.type, places_in(spec.config)
        key = name, retry_of(spec.retry), limit_of(spec.timeout, spec.id), places
        made = self._made.get(key)
        if made is None:
            kind = self.known.get(name)
            retry = key[1] or (Retry() if kind is None else kind.retry)
            timeout = key[2] or (None if kind is None else kind.timeout)
            rules = Rules(retry=retry, timeout=timeout, heartbeat_timeout=None if kind is None else kind.heartbeat)
            made = self._made[key] = Step(self._performer(name, places), f"perdure.type.{name}", rules)
        return made

    def code_of(self, spec: StepSpec, name: str) -> Step[..., Any]:
        """The step that is code, by its name, with the rules that a definition gives it in the place of its own."""
        known = self.steps.get(name)
        if known is None:
            raise NotFound("there is no such step", who=f"step {spec.id!r}", where="config.step", found=name,
                           expected=", ".join(sorted(self.steps)) or "a step in perdure.open(steps=[…])",
                           instead="pass the step to perdure.open(steps=[…])")
        rules, retry, timeout = known.rules, retry_of(spec.retry), limit_of(spec.timeout, spec.id)
        if retry is None and timeout is None:
            return known
        key = f"python {name}", retry, timeout, NOWHERE
        if key not in self._made:
            changed = msgspec.structs.replace(rules, retry=retry or rules.retry, timeout=timeout or rules.timeout)
            self._made[key] = Step(known.function, name, changed)
        return self._made[key]

    def _performer(self, name: str, places: frozenset[Place]) -> Callable[[dict[str, Any]], Any]:
        async def perform(config: dict[str, Any]) -> Any:
            kind = self.known.get(name)
            if kind is None:
                raise NotFound("there is no such type of step here", who=f"type {name!r}", expected=", ".join(sorted(self.known)) or "none",
                               found=name, instead="install the package that has it, or pass it to perdure.open(step_types=[…])")
            cover = Cover()
            try:
                ready = self._config(kind, with_secrets(config, self._allowed(kind, places), self._finder(cover)))
                return cover.over(msgspec.to_builtins(await kind.perform(ready)))
            except Exception as error:
                if not cover.hides(msgspec.json.encode(failure_of(error)).decode()):
                    raise
                if isinstance(error, PerdureError):  # whether to try again hangs on which it is
                    raise PerdureError.of(error.code, cover.over(error.parts())) from None
                text = f"{type(error).__name__}: {cover.over(str(error))}"
                raise (Fatal(text) if isinstance(error, Fatal) else Masked(text)) from None

        return perform

    def _config(self, kind: StepType[Any], config: Any) -> Any:
        try:
            return msgspec.convert(config, kind.config, strict=False)
        except msgspec.ValidationError as error:
            expected, found, where = explained(error, kind.config)
            hint = "; write ${ string(…) }" if expected == "str" else ""
            raise Unfit(f"config of type {kind.name!r}, {where}: expected {expected}, found {found}{hint}") from None

    def _allowed(self, kind: StepType[Any], places: frozenset[Place]) -> frozenset[Place]:
        """Where secrets may be found. A run may have begun before its type said what it records."""
        within = {place[0] for place in places}
        for field in kind.recorded:
            if field in within:
                raise Fatal(f"a secret in {field!r} would be in the log: what type {kind.name!r} is given there is recorded")
        return places

    def _finder(self, cover: Cover) -> Callable[[str], str]:
        """Gives what is behind the names of secrets to the attempt that runs, and notes it to be covered."""
        tenant = parts_of(current().stream)[1]

        def find(name: str) -> str:
            text = self._secrets.find(tenant, name)
            if not text:
                raise Fatal(f"there is no secret {name!r}: set PERDURE_SECRET_{name} where the step is performed")
            cover.values.append(text)
            return text

        return find


class Masked(Exception):
    """A step failed with an error that held a secret, which is not told."""


class Unfit(Fatal):
    """What the expressions of a config gave does not fit its type."""


def retry_of(spec: RetrySpec | UnsetType) -> Retry | None:
    """The policy that a definition gives a step; None where it gives none."""
    if isinstance(spec, UnsetType):
        return None
    first, longest = duration_of(spec.first, "retry.first"), duration_of(spec.longest, "retry.longest")
    return Retry(attempts=spec.attempts, first=first, factor=spec.factor, longest=longest, jitter=spec.jitter)


def limit_of(given: Duration | UnsetType, who: str) -> timedelta | None:
    """The limit of time that a definition gives a step; None where it gives none."""
    return None if isinstance(given, UnsetType) else duration_of(given, f"step {who!r}, timeout")


def _checked(given: Any) -> StepType[Any]:
    kind = given() if isinstance(given, type) else given
    name = getattr(kind, "name", "")
    config = getattr(kind, "config", None)
    if not isinstance(kind, StepType) or not isinstance(config, type) or not issubclass(config, Struct):
        raise Invalid("that is no type of step", who=repr(given), expected="a subclass of perdure.StepType with name and config",
                      found=type(given).__name__, instead="subclass StepType[Config], where Config is a msgspec.Struct")
    if not NAME.fullmatch(name) or name in CORE:
        raise Invalid("a type of step needs a name of its own", who=f"type {name!r}", where="name", found=repr(name),
                      expected=f"lower letters, digits and '_', and none of {', '.join(CORE)}", instead="choose another name")
    return kind  # pyright: ignore[reportUnknownVariableType]


def _line(kind: StepType[Any]) -> TypeLine:
    seconds = None if kind.timeout is None else kind.timeout.total_seconds()
    schema = msgspec.json.schema(kind.config)
    return TypeLine(kind.name, _first(kind), schema, kind.example, kind.since, seconds, kind.retry.attempts, RetryLine.of(kind.retry))


def _core_line(name: str) -> TypeLine:
    shape = SHAPES.get(name)
    about = "Gives the values that its config names." if shape is None else _first(shape)
    schema = {"type": "object"} if shape is None else msgspec.json.schema(shape)
    return TypeLine(name, about, schema, EXAMPLES[name], "0.1.0", None, 1)


def _first(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


_SAY = [{"id": "say", "type": "log", "config": {"message": "hello"}}]

EXAMPLES: dict[str, dict[str, Any]] = {
    "log": {"message": "order ${ inputs.order } is here"},
    "transform": {"value": "${ inputs.cents * 2 }"},
    "set": {"total": "${ inputs.cents + 100 }", "currency": "EUR"},
    "delay": {"for": "1h30m"},
    "branch": {"cases": [{"when": "inputs.cents > 1000", "steps": _SAY}], "else": []},
    "parallel": {"branches": {"left": _SAY}},
    "map": {"over": "inputs.items", "as": "item", "concurrency": 5, "steps": _SAY},
    "loop": {"while": "round.index < 3", "limit": 10, "steps": _SAY},
    "wait_for_signal": {"name": "paid"},
    "wait_for_approval": {"name": "ship", "show": {"order": "${ inputs.order }"}},
    "wait_for_human": {"name": "ship", "show": {"order": "${ inputs.order }"}},
    "workflow": {"definition": "refund", "inputs": {"order": "${ inputs.order }"}},
    "python": {"step": "charge", "arguments": {"order": "${ inputs.order }", "cents": 1200}},
}
