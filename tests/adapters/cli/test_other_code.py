"""`perdure upgrade` and `perdure retry --from-version`: runs that go on with other code, from where they are or from before."""

from __future__ import annotations

from tests.adapters.cli.calling import Here, forget_modules

OTHERS = """
@workflow(name="waits", version=2)
async def waits_2() -> str:
    return await note("by the second, " + await signal("approved", str))


@workflow(name="waits", version=3)
async def waits_3() -> str:
    await note("first of all")
    return await note("by the third, " + await signal("approved", str))


@workflow
async def asks"""
HALVES = """
@workflow
async def halves() -> str:
    await note("first half")
    await broken()
    return await note("second half")


@workflow
async def asks"""


def test_a_run_goes_on_under_the_version_whose_code_agrees_with_its_log_and_not_under_another(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    here.folder.change("\n@workflow\nasync def asks", OTHERS)
    forget_modules()
    refused = here("upgrade", "w", "--to", "3", "--module", "flows.py", "--json")
    said = here("upgrade", "w", "--to", "2", "--module", "flows.py", "--json")
    here("signal", "w", "approved", "Ada")

    assert (refused.code, refused.error["error"]) == (3, "refused")
    assert "step 'note'" in refused.error["found"]
    assert (said.code, said.json["told"], said.json["status"]) == (0, "upgrade", "running")
    assert here("run", "flows.py:waits_2", "--id", "w", "--json").json["result"] == "by the second, Ada"
    assert "upgraded to version 2" in " ".join(here("show", "w").out.split())


def test_a_failed_run_is_taken_back_to_an_earlier_version_of_its_log(here: Here) -> None:
    here.folder.change("\n@workflow\nasync def asks", HALVES)
    assert here("run", "flows.py:halves", "--id", "h").code == 1
    here.folder.change('raise RuntimeError("beyond repair")', "return None")
    forget_modules()
    said = here("retry", "h", "--from-version", "1", "--module", "flows.py", "--json")

    assert (said.code, said.json["told"]) == (0, "retry")
    assert here("run", "flows.py:halves", "--id", "h", "--json").json["result"] == "second half"
    assert here.folder.attempts() == ["first half", "first half", "second half"]
