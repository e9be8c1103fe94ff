"""The composition root: the only place that knows which carrier a runtime stands on."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from ..actors.kind import Kind
from ..actors.ports import Ownership, OwnsAll
from ..actors.storing import Shared
from ..eventlog.errors import Invalid, Unavailable
from ..runtime.authoring.given import must_be
from ..runtime.authoring.steps import Step
from ..runtime.authoring.triggers import Trigger
from ..runtime.authoring.workflows import Workflow
from ..runtime.definitions.secrecy import Secrets
from ..runtime.definitions.types import StepType, Types
from ..runtime.engine import Runtime
from ..runtime.perform.interceptors import Interceptor
from ..runtime.perform.ports import TaskQueues
from ..runtime.resources import Resources
from ..runtime.settings.node import Settings
from .system.bell import bell
from .system.clock import SystemClock, SystemIds, WorkerThreads, owner
from .system.plugins import installed_types
from .system.processes import WorkerProcesses
from .system.secrets import SecretsInEnvironment
from .urls import file_of, is_in_nats, must_be_url

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..eventlog.log import Carrier
    from ..runtime.perform.delivering import Post

URLS = "sqlite:///FILE.db (a relative path), sqlite:////absolute/FILE.db, nats://HOST:PORT/NAMESPACE, or memory:"


@asynccontextmanager
async def open(  # noqa: A001 - perdure.open is the word a user expects
    url: str,
    *,
    workflows: Iterable[Workflow[..., Any]] = (),
    kinds: Iterable[Kind[Any, Any, Any]] = (),
    resources: Resources | None = None,
    interceptors: Iterable[Interceptor] = (),
    triggers: Iterable[Trigger] = (),
    steps: Iterable[Step[..., Any]] = (),
    step_types: Iterable[StepType[Any]] = (),
    secrets: Secrets | None = None,
    settings: Settings | None = None,
) -> AsyncGenerator[Runtime]:
    """Open the log at `url` and serve its runs until the end of the block.

    `sqlite:///shop.db` is a file beside the program, `sqlite:////var/lib/shop.db` one by its absolute path,
    `nats://HOST:4222/shop` the namespace `shop` in NATS JetStream, which as many processes may open and then serve together,
    `memory:` a log that ends with the process. `kinds` are actors of your own. `resources` are what steps take by
    `current().resource(…)`, by type or name: the thing itself, or a function that gives a context manager, which is entered
    now and left when the last step has ended. `interceptors` run around every attempt of a step, the first one outermost.
    `triggers`, on NATS, begin runs by messages of others.
    Definitions may name `steps` and `step_types`, beside the types of installed packages; `secrets` are those of their configs, by
    default PERDURE_SECRET_NAME.
    Raises Unavailable if another process serves the file, the server cannot be reached or a resource cannot be opened,
    Corrupt if the log does not hold what was written to it.
    """
    must_be_url(url, "perdure.open", URLS)
    if settings is not None:
        must_be(settings, Settings, "perdure.open", "settings", "Settings", such_as="settings=Settings(worker_concurrency=8)")
    settings = settings or Settings.of(os.environ)
    async with ground_of(url, settings, tuple(triggers)) as ground, aclosing(WorkerProcesses(os.cpu_count() or 1)) as processes:
        runtime = Runtime(
            ground.carrier,
            workflows,
            clock=SystemClock(),
            steady=SystemClock().steady,
            ids=SystemIds(),
            threads=WorkerThreads(settings.worker_concurrency),
            ownership=ground.ownership,
            settings=settings,
            kinds=kinds,
            resources=resources,
            interceptors=interceptors,
            task_queues=ground.task_queues,
            processes=processes,
            post=posting(os.environ),
            shared=ground.shared,
            bell=bell,
            types=types_of(step_types, steps, secrets, log=url),
        )
        async with runtime.serving(), ground.join(runtime):
            yield runtime


def posting(environment: Mapping[str, str]) -> Post | None:
    """How webhooks leave this process, by the rules of the environment; None where what that takes is not installed."""
    if find_spec("h11") is None:
        return None
    from .webhooks.posting import Posting

    return Posting.of(environment, SystemClock().now)


@asynccontextmanager
async def deciding(
    url: str, workflows: Iterable[Workflow[..., Any]] = (), types: Types | None = None
) -> AsyncGenerator[Runtime]:
    """A runtime over a log that nobody serves, until the end of the block: it judges and records requests, and performs nothing.

    Code is driven as far as that goes, so runs of these `workflows` can be started too. Without any, see `deciding_by_facts`.
    """
    async with carrier_of(url) as carrier:
        ownership = OwnsAll(owner(), carrier.epoch)
        runtime = Runtime(
            carrier, workflows, clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(1), ownership=ownership, performs=False,
            types=types or types_of(),
        )  # fmt: skip
        async with runtime.serving():
            yield runtime


def types_of(
    step_types: Iterable[StepType[Any]] = (), steps: Iterable[Step[..., Any]] = (), secrets: Secrets | None = None, log: str = ""
) -> Types:
    """The types of steps that definitions may name here, those of installed packages among them. `log`: the URL of what is served."""
    return Types(step_types, steps, secrets=secrets or SecretsInEnvironment(), discover=partial(_found_types, log))


def _found_types(log: str) -> Sequence[StepType[Any]]:
    from .rag.places import embedding_in, place_of
    from .steps.types import brought_along

    return [*brought_along(place_of(log, os.environ), embedding_in(os.environ)), *installed_types()]


class Ground(NamedTuple):
    """What a runtime stands on here."""

    carrier: Carrier
    ownership: Ownership
    join: Callable[[Runtime], AbstractAsyncContextManager[None]]
    """Takes part in what several processes do together, once the runtime serves."""
    task_queues: TaskQueues | None = None
    shared: Shared | None = None


@asynccontextmanager
async def ground_of(url: str, settings: Settings, triggers: Sequence[Trigger] = ()) -> AsyncGenerator[Ground]:
    """The carrier that a URL names, and what of it is this process's to serve."""
    if is_in_nats(url):
        with nats_or_say_so():
            from .nats.joining import joined
        async with joined(url, hand_over_seconds=settings.drain_seconds) as member:
            yield Ground(member.carrier, member.partitions, partial(member.serving, triggers=triggers), member.task_queues, member.shared)
    elif triggers:
        raise Invalid("only NATS carries messages that could trigger runs", who="perdure.open", where="triggers",
                      expected="nats://HOST:PORT/NAMESPACE", found=repr(url), instead="leave triggers out, or open a log in NATS")
    else:
        async with carrier_of(url) as carrier:
            yield Ground(carrier, OwnsAll(owner(), carrier.epoch), _alone)


def _alone(_: Runtime) -> AbstractAsyncContextManager[None]:
    """Nobody else serves the log."""
    return nullcontext()


def carrier_of(url: str) -> AbstractAsyncContextManager[Carrier]:
    """The carrier that a URL names; nothing is loaded that it does not need."""
    if path := file_of(url):
        from .sqlite.open import open_sqlite

        return open_sqlite(path)
    if is_in_nats(url):
        return _in_nats(url)
    if url in ("memory:", "memory://"):
        return _in_memory()
    raise Invalid("the URL names no carrier", who="perdure.open", where="url", expected=URLS, found=repr(url),
                  instead="write for example sqlite:///perdure.db")


def _in_nats(url: str) -> AbstractAsyncContextManager[Carrier]:
    with nats_or_say_so():
        from .nats.open import open_nats
    return open_nats(url, owner=owner())


@contextmanager
def nats_or_say_so() -> Generator[None]:
    """Around imports that need the client for NATS."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise Unavailable("the client for NATS is not installed", who="perdure.open", where="nats://", expected="the package nats-py",
                          found=f"no module {missing.name}", instead="pip install 'perdure[nats]'") from missing


@asynccontextmanager
async def _in_memory() -> AsyncGenerator[Carrier]:
    from ..eventlog.memory import MemoryLog

    yield MemoryLog().carrier()
