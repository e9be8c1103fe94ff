"""Ids of children whose code chose none: of the parent, and of the effect there. Nobody else may take them beforehand."""

from __future__ import annotations

import re

from ...eventlog.streams import escape, shortened

DEFAULT_ID_BYTES = 120
"""A longer one, once escaped, ends in a digest: there is room left for the longest name of a tenant."""
SHORTENED_BY_MAX = 12
"""A prefix ends at a whole character, which is at most so many bytes once escaped."""

OF_A_CHILD = re.compile(r".*/[0-9]+", re.DOTALL)
SHORTENED = re.compile(r".*-[0-9a-f]{16}", re.DOTALL)


def default_id(parent: str, effect: str) -> str:
    """The id of a child, from that of its parent and from the place of its effect there, which ends in a number."""
    return shortened(f"{parent}/{effect}", DEFAULT_ID_BYTES)


def could_be_of_a_child(id: str) -> bool:
    """Whether some run could have a child of this id."""
    is_long = len(escape(id)) > DEFAULT_ID_BYTES - SHORTENED_BY_MAX
    return OF_A_CHILD.fullmatch(id) is not None or (is_long and SHORTENED.fullmatch(id) is not None)
