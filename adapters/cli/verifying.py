"""`perdure log verify`: the whole log, held against everything that is known of it, wherever it is."""

from __future__ import annotations

from ...eventlog.report import Report
from .places import is_in_nats, path_of, url_of


async def verify_log(log: str) -> Report:
    """What the log holds, and what of it is not as it was written; NotFound where there is none."""
    url = url_of(log)
    if is_in_nats(url):
        from ..compose import nats_or_say_so

        with nats_or_say_so():
            from ..nats.verifying import verify
        return await verify(url)
    from ..sqlite.verify import verify_file

    return verify_file(path_of(log))
