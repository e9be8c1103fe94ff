"""perdure: durable workflows as supervised, event-sourced actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .actors.kind import Kind
from .eventlog.blobs import Artifact
from .eventlog.codec import Codec, Event
from .eventlog.errors import Bug, Conflict, Corrupt, Diverged, Gone, Invalid, NotFound, PerdureError, Refused, TooLarge, Unavailable
from .eventlog.search import Condition
from .runtime.authoring.approvals import Decision, approval
from .runtime.authoring.artifacts import artifact
from .runtime.authoring.children import ChildHandle, attach, child, start_child
from .runtime.authoring.errors import (
    ApprovalExpired,
    Cancelled,
    ChildError,
    CompleteLater,
    Fatal,
    ForeignAwait,
    HandlerError,
    Interrupted,
    RunError,
    StepError,
)
from .runtime.authoring.groups import First, first_of, gather, task_group, timeout
from .runtime.authoring.limits import Limit
from .runtime.authoring.messages import handling, on_query, on_signal, on_update, wait_until
from .runtime.authoring.policies import ApprovalPolicy, Escalation
from .runtime.authoring.retry import Retry
from .runtime.authoring.saga import saga
from .runtime.authoring.sending import cancel_run, signal_run
from .runtime.authoring.steps import Attempt, current, step
from .runtime.authoring.triggers import Trigger
from .runtime.authoring.words import attributes, continue_as, info, log, now, patched, random, signal, sleep, sleep_until, uuid
from .runtime.authoring.workflows import workflow
from .runtime.logs import LogContext, logger

if TYPE_CHECKING:
    from .actors.ref import Ref
    from .adapters.compose import open  # noqa: A004 - the word a user expects
    from .adapters.connecting import connect
    from .adapters.serving import asgi
    from .adapters.working import work_for
    from .runtime.calling.handle import RunHandle
    from .runtime.definitions.types import StepType
    from .runtime.engine import Runtime
    from .runtime.requests import OpenApproval
    from .runtime.settings.artifacts import ArtifactSettings
    from .runtime.settings.node import Settings

__version__ = "0.1.0.dev0"

__all__ = [
    "ApprovalExpired",
    "ApprovalPolicy",
    "Artifact",
    "ArtifactSettings",
    "Attempt",
    "Bug",
    "Cancelled",
    "ChildError",
    "ChildHandle",
    "Codec",
    "CompleteLater",
    "Condition",
    "Conflict",
    "Corrupt",
    "Decision",
    "Diverged",
    "Escalation",
    "Event",
    "Fatal",
    "First",
    "ForeignAwait",
    "Gone",
    "HandlerError",
    "Interrupted",
    "Invalid",
    "Kind",
    "Limit",
    "LogContext",
    "NotFound",
    "OpenApproval",
    "PerdureError",
    "Ref",
    "Refused",
    "Retry",
    "RunError",
    "RunHandle",
    "Runtime",
    "Settings",
    "StepError",
    "StepType",
    "TooLarge",
    "Trigger",
    "Unavailable",
    "approval",
    "artifact",
    "asgi",
    "attach",
    "attributes",
    "cancel_run",
    "child",
    "connect",
    "continue_as",
    "current",
    "first_of",
    "gather",
    "handling",
    "info",
    "log",
    "logger",
    "now",
    "on_query",
    "on_signal",
    "on_update",
    "open",
    "patched",
    "random",
    "saga",
    "signal",
    "signal_run",
    "sleep",
    "sleep_until",
    "start_child",
    "step",
    "task_group",
    "timeout",
    "uuid",
    "wait_until",
    "work_for",
    "workflow",
]

_LATER = {
    "Ref": ("perdure.actors.ref", "Ref"),
    "Runtime": ("perdure.runtime.engine", "Runtime"),
    "OpenApproval": ("perdure.runtime.requests", "OpenApproval"),
    "RunHandle": ("perdure.runtime.calling.handle", "RunHandle"),
    "StepType": ("perdure.runtime.definitions.types", "StepType"),
    "Settings": ("perdure.runtime.settings.node", "Settings"),
    "ArtifactSettings": ("perdure.runtime.settings.artifacts", "ArtifactSettings"),
    "asgi": ("perdure.adapters.serving", "asgi"),
    "connect": ("perdure.adapters.connecting", "connect"),
    "open": ("perdure.adapters.compose", "open"),
    "work_for": ("perdure.adapters.working", "work_for"),
}
"""What an import of perdure does not load until it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LATER[name]
    found = globals()[name] = getattr(import_module(module), attribute)
    return found
