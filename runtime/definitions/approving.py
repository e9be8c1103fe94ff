"""The policy of an approval, as a definition writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UnsetType

from ..authoring.policies import ApprovalPolicy, Escalation, terms_of
from .durations import Duration, duration_of
from .shapes import PolicyShape


def policy_of(shape: PolicyShape, who: str) -> ApprovalPolicy:
    """The policy that a definition writes; Invalid where a duration in it is none."""
    escalation = tuple(
        Escalation(after=duration_of(one.after, f"{who}, policy"), users=tuple(one.users), roles=tuple(one.roles))
        for one in shape.escalation
    )
    return ApprovalPolicy(
        users=tuple(shape.users), roles=tuple(shape.roles), quorum=shape.quorum, starter_may=shape.starter_may, escalation=escalation,
        at_end=shape.at_end,
    )  # fmt: skip


def must_be_meetable(config: Mapping[str, Any], timeout: Duration | UnsetType, who: str) -> None:
    """Invalid where a policy that is written out could never be met."""
    limit: timedelta | None = None if isinstance(timeout, UnsetType) else duration_of(timeout, who)
    if config.get("policy") is not None:
        terms_of(policy_of(msgspec.convert(config["policy"], PolicyShape), who), limit, who)
