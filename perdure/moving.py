"""Moving runs from one log to another: out into a file, in from it, or back; and the identity by which a log is known."""

from __future__ import annotations

from .adapters.moving.arriving import Imported
from .adapters.moving.by_url import log_id, move_in, move_out, take_back
from .adapters.moving.leaving import Exported
from .adapters.moving.returning import TakenBack

__all__ = ["Exported", "Imported", "TakenBack", "log_id", "move_in", "move_out", "take_back"]
