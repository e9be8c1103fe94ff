"""Progress is a fold of records, and a watch follows the log of another process."""

from __future__ import annotations

from perdure.adapters.cli.running.progress import Progress, Watch
from perdure.eventlog.streams import stream_of
from tests.adapters.cli.calling import Folder, Here, until

STREAM = stream_of("run", "default", "w")


def test_there_is_no_progress_while_there_is_no_log(folder: Folder) -> None:
    with Watch(folder.log, STREAM) as watch:
        assert watch.look().phase == "new"
        assert watch.look().doing() == "starting"


def test_a_watch_sees_what_another_process_appends(folder: Folder, here: Here) -> None:
    with Watch(folder.log, STREAM) as watch:
        with folder.waiting_run("w"):
            until(lambda: watch.look().phase == "running")

            assert watch.progress.doing() == "waiting for a signal"
        here("signal", "w", "approved", "Ada")
        here("run", "flows.py:waits", "--id", "w")
        progress = watch.look()

    assert (progress.phase, progress.ended) == ("completed", True)
    assert list(progress.done.values()) == ["note"]
    assert progress.open == {}


def test_what_a_run_is_at_is_told_in_few_words() -> None:
    progress = Progress()
    progress.phase, progress.version = "running", 1
    progress.open = {"0": "charge", "1": "ship", "2": "ship", "3": "mail", "4": "bill"}

    assert progress.doing() == "ship x2, mail, bill, 1 more"
    assert progress.doing(most=9) == "charge, ship x2, mail, bill"
