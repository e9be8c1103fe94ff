"""Settings of a runtime, with the environment variables that give them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ...actors.settings import Settings as ActorSettings
from ...actors.shelf import LARGE_BYTES, VALUE_BYTES_MAX
from ...eventlog.errors import Invalid
from ...eventlog.guard import BYTES_MAX
from .artifacts import ArtifactSettings
from .environment import count_of, number_of, switch_of
from .webhooks import WebhookSettings

LARGE_BYTES_MIN = 1024


class Settings(Struct, frozen=True, kw_only=True):
    """`worker_concurrency`: steps performed at once (`WORKER_CONCURRENCY`)."""

    worker_concurrency: int = 100
    drain_seconds: float = 30.0
    """How long running steps may go on when the runtime closes; what still runs then is performed again after the next start."""
    audit_seconds: float = 10.0
    """An actor is held against its log so often, in the background (`AUDIT_SECONDS`); 0 never. It takes a hundredth of the time at most."""
    watch_workflows: bool = False
    """Log a warning where workflow code opens a file, a socket or a process (`WATCH_WORKFLOWS=1`), once for each place."""
    large_bytes: int = LARGE_BYTES
    """A value with more bytes as JSON is kept in a blob beside the log, and its event names it."""
    value_bytes_max: int = VALUE_BYTES_MAX
    """A value with more bytes as JSON is TooLarge: a step fails for good, a start or a signal is refused."""
    webhooks: WebhookSettings = WebhookSettings()
    artifacts: ArtifactSettings = ArtifactSettings()
    actors: ActorSettings = ActorSettings()

    def __post_init__(self) -> None:
        if not LARGE_BYTES_MIN <= self.large_bytes <= self.value_bytes_max <= BYTES_MAX:
            raise Invalid(
                "the bounds of large values do not fit",
                who="Settings",
                where="large_bytes, value_bytes_max",
                expected=f"{LARGE_BYTES_MIN} <= large_bytes <= value_bytes_max <= {BYTES_MAX}",
                found=f"{self.large_bytes}, {self.value_bytes_max}",
                instead=f"leave them out to have {LARGE_BYTES} and {VALUE_BYTES_MAX}",
            )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that the environment names; what does not fit is Invalid."""
        return cls(
            worker_concurrency=count_of(environment, "WORKER_CONCURRENCY", 100),
            audit_seconds=number_of(environment, "AUDIT_SECONDS", 10.0, zero="for never"),
            watch_workflows=switch_of(environment, "WATCH_WORKFLOWS", default=False),
            webhooks=WebhookSettings.of(environment),
            artifacts=ArtifactSettings.of(environment),
        )
