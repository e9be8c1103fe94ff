"""Settings of webhooks, with the environment variables that give them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct

from ..kinds.delivery import Policy
from .environment import count_of, number_of, switch_of

ENABLED = "WORKFLOWS_WEBHOOK_DLQ_ENABLED"
BASE, LONGEST = "WORKFLOWS_WEBHOOK_DLQ_BASE_SEC", "WORKFLOWS_WEBHOOK_DLQ_MAX_BACKOFF_SEC"
ATTEMPTS, INTERVAL = "WORKFLOWS_WEBHOOK_DLQ_MAX_ATTEMPTS", "WORKFLOWS_WEBHOOK_DLQ_INTERVAL_SEC"
BATCH, TIMEOUT = "WORKFLOWS_WEBHOOK_DLQ_BATCH", "WORKFLOWS_WEBHOOK_DLQ_TIMEOUT_SEC"


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """How webhooks are tried again; seconds."""

    enabled: bool = True
    """Whether a webhook is tried again at all (`WORKFLOWS_WEBHOOK_DLQ_ENABLED`); else one attempt, and what failed is a dead letter."""
    base_seconds: float = 30.0
    """The first pause (`…_BASE_SEC`); each later one is twice as long."""
    max_backoff_seconds: float = 3600.0
    """The longest pause (`…_MAX_BACKOFF_SEC`)."""
    max_attempts: int = 8
    """`…_MAX_ATTEMPTS`."""
    interval_seconds: float = 15.0
    """`…_INTERVAL_SEC` is read and checked, and nothing hangs on it: each webhook is woken when it is due, none is looked for."""
    batch: int = 25
    """Attempts under way at once in this process (`…_BATCH`)."""
    timeout_seconds: float = 10.0
    """How long an attempt may take in all (`…_TIMEOUT_SEC`)."""

    @property
    def policy(self) -> Policy:
        attempts = self.max_attempts if self.enabled else 1
        return Policy(attempts, timedelta(seconds=self.base_seconds), timedelta(seconds=self.max_backoff_seconds))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> WebhookSettings:
        """The settings that the environment names; what does not fit is Invalid."""
        given = cls()
        return cls(
            enabled=switch_of(environment, ENABLED, default=given.enabled),
            base_seconds=number_of(environment, BASE, given.base_seconds),
            max_backoff_seconds=number_of(environment, LONGEST, given.max_backoff_seconds),
            max_attempts=count_of(environment, ATTEMPTS, given.max_attempts),
            interval_seconds=number_of(environment, INTERVAL, given.interval_seconds),
            batch=count_of(environment, BATCH, given.batch),
            timeout_seconds=number_of(environment, TIMEOUT, given.timeout_seconds),
        )
