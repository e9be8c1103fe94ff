"""`perdure log verify`: the whole log, held against everything that is known of it, wherever it is."""

from __future__ import annotations

from collections.abc import Sequence

from ....eventlog.errors import Corrupt, NotFound
from ....eventlog.receipts import holds, read_receipt
from ....eventlog.records import Tail
from ....eventlog.report import Report
from ...urls import is_in_nats
from ..shared.places import Views, path_of, url_of, views_of


async def verify_log(log: str, receipts: Sequence[str] = ()) -> Report:
    """What the log holds, and what of it is not as it was written, or once was and is not now; NotFound where there is none."""
    expected = [read_receipt(receipt) for receipt in receipts]
    report = await _verified(log)
    if expected:
        async with views_of(log) as views:
            for stream, tail in expected:
                await _look_for(views, stream, tail, report)
    return report


async def _look_for(views: Views, stream: str, tail: Tail, report: Report) -> None:
    try:
        missing = not holds(await views.records(stream), tail)
    except (Corrupt, NotFound) as error:
        report.found(stream, f"version {tail.version}", f"what the receipt names cannot be found: {error.message}")
        return
    if missing:
        report.found(stream, f"version {tail.version}", "the record that the receipt names is not there: the log was put back, or replaced")


async def _verified(log: str) -> Report:
    url = url_of(log)
    if is_in_nats(url):
        from ...compose import nats_or_say_so

        with nats_or_say_so():
            from ...nats.verifying import verify
        return await verify(url)
    from ...sqlite.verify import verify_file

    return verify_file(path_of(log))
