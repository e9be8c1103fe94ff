"""`perdure upgrade` and `perdure retry --from-version`: runs that go on with other code, from where they are or from before."""

from __future__ import annotations

from tests.adapters.cli.calling import Folder, Here, forget_modules

SECOND = """
@workflow(name="waits", version=2)
async def waits_2() -> str:
    return await note("by the second, " + await signal("approved", str))


@workflow
async def asks"""
OTHERWISE = SECOND.replace("return await note", 'await note("first of all")\n    return await note')
HALVES = """
@workflow
async def halves() -> str:
    await note("first half")
    await broken()
    return await note("second half")


@workflow
async def asks"""


def waits_with(here: Here, code: str) -> Folder:
    """A run that waits under version 1, and a module that has another version, too."""
    with here.folder.waiting_run("w"):
        pass
    here.folder.change("\n@workflow\nasync def asks", code)
    forget_modules()
    return here.folder


def test_a_run_goes_on_under_another_version_whose_code_agrees_with_its_log(here: Here) -> None:
    waits_with(here, SECOND)
    said = here("upgrade", "w", "--to", "2", "--module", "flows.py", "--json")
    here("signal", "w", "approved", "Ada")

    assert (said.code, said.json["told"], said.json["status"]) == (0, "upgrade", "running")
    assert here("run", "flows.py:waits_2", "--id", "w", "--json").json["result"] == "by the second, Ada"
    assert "upgraded to version 2" in " ".join(here("show", "w").out.split())


def test_a_version_whose_code_disagrees_with_the_log_is_refused_with_both_columns(here: Here) -> None:
    waits_with(here, OTHERWISE)
    said = here("upgrade", "w", "--to", "2", "--module", "flows.py", "--json")
    here("signal", "w", "approved", "Ada")

    assert (said.code, said.error["error"]) == (3, "refused")
    assert "step 'note'" in said.error["found"]
    assert here("run", "flows.py:waits", "--id", "w", "--json").json["result"] == "approved by Ada"


def test_a_failed_run_is_taken_back_to_an_earlier_version_of_its_log(here: Here) -> None:
    here.folder.change("\n@workflow\nasync def asks", HALVES)
    assert here("run", "flows.py:halves", "--id", "h").code == 1
    here.folder.change('raise RuntimeError("beyond repair")', "return None")
    forget_modules()
    said = here("retry", "h", "--from-version", "1", "--module", "flows.py", "--json")

    assert (said.code, said.json["told"]) == (0, "retry")
    assert here("run", "flows.py:halves", "--id", "h", "--json").json["result"] == "second half"
    assert here.folder.attempts() == ["first half", "first half", "second half"]
