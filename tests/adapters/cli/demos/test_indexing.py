"""The demo in a small form, with its kill; and its parts."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path

import pytest

from perdure.adapters.cli.demos.indexing.index import Index
from perdure.adapters.cli.demos.indexing.library import SKIPPED, survey
from perdure.adapters.cli.demos.indexing.reading import Doc, read_source
from tests.adapters.cli.calling import Folder

SOURCE = '''"""A module."""
class A:
    """A class."""
    async def f(self):
        """A method."""
        if self:
            def g(): pass
    h = lambda: 0
try:
    pass
except ValueError:
    def late(): "Late."
'''


@pytest.mark.slow
def test_the_demo_kills_a_run_and_shows_that_nothing_was_lost(folder: Folder) -> None:
    said = folder.call("demo", "--files", "60", "--search", "return", "--json")
    assert said.code == 0, said.err
    story = said.json
    killed, redone = story["killed"], story["redone"]

    assert 7 <= killed["done"] < 60
    assert redone["kept"] == killed["done"]
    assert redone["done_again"] == 0
    assert redone["attempted_again"] == killed["begun"] <= killed["in_flight"]
    assert redone["kept"] + redone["attempted_again"] + redone["rest"] == 60
    assert story["totals"]["files"] == 60
    assert story["log"]["verdict"] == "intact"
    assert story["replay"]["agrees"] is True
    assert story["replay"]["content_digest"] == story["clean"]["content_digest"]
    assert story["indexes_equal"] is True
    assert story["docstrings"] == story["totals"]["docstrings"] > 0
    assert story["hits"]

    shown = folder.call("show", "stdlib", "--log", ".demo/killed/log.db", "--json").json
    assert shown["recoveries"] == 1


@pytest.mark.slow
def test_the_demo_tells_people_what_happened_and_starts_clean_each_time(folder: Folder) -> None:
    stale = folder.path / "here" / "killed" / "log.db"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of another day")
    said = folder.call("demo", "--files", "60", "--dir", "here")

    assert said.code == 0, said.err
    for words in ("kill -9 after", "done before the kill and not touched again", "every chain holds", "one for one", "equal; and both"):
        assert words in said.out
    assert "(done again: 0)" in said.out
    assert "perdure show stdlib --log here/killed/log.db" in said.out


def test_a_second_attempt_with_the_same_key_adds_nothing(tmp_path: Path) -> None:
    Index.make(tmp_path)
    docs = [Doc("f", 1, "Compress the data."), Doc("g", 9, "Nothing of the kind.")]
    with Index.open(tmp_path) as index:
        added = [index.add("key", "a.py", docs), index.add("key", "a.py", docs)]
        digest = index.digest()

    with Index.open(tmp_path) as again:
        assert added == [True, False]
        assert again.count() == 2
        assert again.digest() == digest
        assert [hit.name for hit in again.search("compressed", 5)] == ["f"]


def test_a_search_takes_words_as_they_are(tmp_path: Path) -> None:
    Index.make(tmp_path)
    with Index.open(tmp_path) as index:
        index.add("key", "a.py", [Doc("f", 1, 'He said "NEAR" and AND.')])

        assert len(index.search('"NEAR', 5)) == 1
        assert index.search("AND OR", 5) == []
        assert index.search(" ", 5) == []


def test_a_file_is_read_for_what_it_defines(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(SOURCE, encoding="utf-8")
    source = read_source(path)

    assert (source.lines, source.functions, source.classes) == (12, 3, 1)
    assert {(doc.name, doc.line) for doc in source.docs} == {("", 1), ("A", 2), ("f", 4), ("late", 12)}


@pytest.mark.parametrize("text", [b"def", b"\x00", b"# -*- coding: nope -*-\n"])
def test_a_file_that_cannot_be_parsed_has_lines_and_nothing_else(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(text)

    assert read_source(path).docs == []


def test_the_survey_leaves_out_tests_and_other_peoples_packages() -> None:
    packages: dict[str, list[str]] = json.loads(json.dumps(survey.function(sysconfig.get_path("stdlib"), 0)))
    names = [name for files in packages.values() for name in files]

    assert "json/decoder.py" in packages["json"]
    assert "ast.py" in packages["modules"]
    assert [name for name in names if SKIPPED & set(name.split("/"))] == []


def test_a_small_survey_is_spread_over_the_whole() -> None:
    packages: dict[str, list[str]] = json.loads(json.dumps(survey.function(sysconfig.get_path("stdlib"), 40)))

    assert sum(map(len, packages.values())) == 40
    assert len(packages) > 5
