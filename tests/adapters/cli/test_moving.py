"""`perdure log id`, `export` and `import`: runs go from one file to another."""

from __future__ import annotations

from tests.adapters.cli.calling import Here


def test_a_run_goes_to_another_file_and_on_from_there(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    identity = here("log", "id", "--log", "there.db", "--json").json["id"]

    left = here("log", "export", "w", "--to", identity, "--out", "w.move", "--json")
    came = here("log", "import", "w.move", "--log", "there.db")

    assert (left.code, left.json["to"], left.json["runs"]) == (0, identity, ["w"])
    assert came.code == 0
    assert "to go on here" in came.out
    assert here("runs", "--status", "moved", "--json").json[0]["run"] == "w"
    shown = here("show", "w").out
    assert ("moved out" in shown, identity in shown) == (True, True)
    assert here("signal", "w", "approved", "ada").code == 3
    assert here("signal", "w", "approved", "ada", "--log", "there.db", "--module", "flows.py").code == 0
    assert here("run", "flows.py:waits", "--id", "w", "--log", "there.db", "--json").json["result"] == "approved by ada"
    assert "moved in" in here("show", "w", "--log", "there.db").out
    assert [here("log", "verify", *log).code for log in ((), ("--log", "there.db"))] == [0, 0]
    for log in ((), ("--log", "there.db")):
        assert here("log", "rebuild", *log).code == 0
    assert here("runs", "--status", "moved", "--json").json[0]["run"] == "w"


def test_a_move_is_taken_back_while_it_is_not_imported(here: Here) -> None:
    here.begun(("default", "w", "waits"))
    move = here("log", "export", "w", "--to", "there.db", "--out", "w.move", "--json").json["move"]

    told = here("log", "export", "--abort", move, "--at", "there.db")

    assert (told.code, "taken back" in told.out) == (0, True)
    void = here("log", "import", "w.move", "--log", "there.db", "--json")
    assert (void.code, void.error["error"]) == (3, "refused")
    assert here("signal", "w", "approved", "ada", "--module", "flows.py").code == 0


def test_what_an_export_lacks_is_said(here: Here) -> None:
    here.begun(("default", "w", "waits"))

    assert here("log", "export", "w").code == 2
    assert here("log", "export", "--abort", "move-1").code == 2
    assert here("log", "export", "nobody", "--to", "there.db", "--out", "w.move").code == 4
    assert here("log", "import", "no.move").code == 5
    assert here("log", "export", "w", "--to", "there.db", "--out", "flows.py").code == 3
    nowhere = here("log", "export", "w", "--to", "there.db", "--out", "no/such/folder/w.move", "--json")
    assert (nowhere.code, nowhere.error["where"], "nothing has left" in nowhere.error["instead"]) == (3, "--out", True)
    assert here("runs", "--status", "running", "--json").json[0]["run"] == "w"
    assert "paused" not in here("show", "w").out
