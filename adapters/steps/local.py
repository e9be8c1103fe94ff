"""The provider `local` of prompts: no model at all. It answers with sentences of the context that it is given.

It is for development, tests and demonstrations: the same question over the same context has the same answer on every machine, and nothing
is called. It understands nothing: it takes those sentences that have the most words of the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from .completions import Completion, Usage

MODEL = "local-extract-1"
SENTENCES = 3
STEM = 5
"""Words count as one where so many of their first letters are the same."""
NOTHING = "Nothing in the context answers that."
EMPTY = "There is no context to answer from."

COMMON = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i", "in", "is", "it", "its", "may", "of",
    "on", "or", "that", "the", "there", "this", "to", "was", "what", "when", "where", "which", "who", "why", "will", "with", "you", "your",
})  # fmt: skip
WORD = re.compile(r"\w+")
PASSAGE = re.compile(r"^\[(\d+)\] .*$", re.MULTILINE)
"""How `rag_search` begins a passage in its context."""
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n{2,}|\n(?=[-*|#>]\s)")
HEADING = re.compile(r"^#+ .*$|^```.*$", re.MULTILINE)
WORDS_MIN, SPOKEN = 4, 0.85
"""A sentence has so many words, and so large a part of it is letters and spaces: code and tables have less."""


class Sentence(Struct, frozen=True):
    """A sentence of a context; `passage` is the number of the passage that it is from, 0 for none."""

    text: str
    passage: int


def answer(prompt: str, context: str) -> Completion:
    """The sentences that have the most words of the prompt, in their own order, each with the number of its passage."""
    wanted, sentences = _words(prompt), sentences_of(context)
    shared = [len(wanted & _words(sentence.text)) for sentence in sentences]
    best = sorted(range(len(sentences)), key=lambda place: (-shared[place], place))[:SENTENCES]
    most = max(shared, default=0)
    taken = [sentences[place] for place in sorted(best) if shared[place] and 2 * shared[place] >= most]
    text = _as_text(taken) or (NOTHING if context.strip() else EMPTY)
    asked, given = len(prompt.split()) + len(context.split()), len(text.split())
    return Completion(text, MODEL, "stop", Usage(asked, given, asked + given), "local")


def sentences_of(context: str) -> list[Sentence]:
    """The sentences of a context; the headings of passages are none."""
    pieces = PASSAGE.split(context)
    numbered = [(0, pieces[0]), *((int(number), text) for number, text in zip(pieces[1::2], pieces[2::2], strict=True))]
    said = [(number, text) for number, part in numbered for text in SENTENCE.split(HEADING.sub("\n\n", part))]
    found = [Sentence(" ".join(text.split()), number) for number, text in said]
    return list(dict.fromkeys(sentence for sentence in found if _is_spoken(sentence.text)))


def _is_spoken(text: str) -> bool:
    plain = sum(character.isalpha() or character.isspace() for character in text)
    return len(WORD.findall(text)) >= WORDS_MIN and plain >= SPOKEN * len(text)


def _as_text(sentences: Sequence[Sentence]) -> str:
    return " ".join(f"{one.text} [{one.passage}]" if one.passage else one.text for one in sentences)


def _words(text: str) -> frozenset[str]:
    return frozenset(word[:STEM] for word in WORD.findall(text.casefold()) if word not in COMMON)
