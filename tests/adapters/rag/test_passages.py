"""Passages: short enough, all of the text among them, and none cut where it hurts."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perdure.adapters.rag.passages import passages

TEXTS = st.lists(st.sampled_from(["word", "a", " ", "\n\n", ". ", ", ", "x" * 70, "\t", "ß", "語"]), max_size=80).map("".join)


@given(TEXTS, st.integers(10, 60), st.integers(0, 4))
def test_all_that_is_said_is_in_a_passage_that_is_short_enough(text: str, size: int, overlap: int) -> None:
    found = list(passages(text, size, overlap))

    assert all(0 < end - start <= size for start, end in found)
    assert all(text[place].isspace() for place in set(range(len(text))) - {place for start, end in found for place in range(start, end)})
    assert [start for start, _ in found] == sorted({start for start, _ in found})


def test_a_text_is_cut_behind_a_paragraph_or_else_a_sentence_or_else_a_word() -> None:
    paragraphs, sentences, words = "aaaa bbbb\n\ncccc dddd", "aaaa. Bbbb. Cccc dddd eeee", "aaaa bbbb cccc dddd"

    assert [paragraphs[start:end] for start, end in passages(paragraphs, 14, 0)] == ["aaaa bbbb\n\n", "cccc dddd"]
    assert [sentences[start:end] for start, end in passages(sentences, 15, 0)] == ["aaaa. Bbbb. ", "Cccc dddd eeee"]
    assert [words[start:end] for start, end in passages(words, 12, 0)] == ["aaaa bbbb ", "cccc dddd"]


def test_a_passage_begins_with_whole_words_of_the_one_before() -> None:
    text = " ".join(f"word{n}" for n in range(40))

    found = [text[start:end] for start, end in passages(text, 60, 14)]

    assert all(second.split()[0] in first.split() for first, second in pairwise(found))
