"""Conditions as people write them: `customer = 'c-7' and amount > 2`. Read by hand into conditions; no text reaches a database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

from ..eventlog.errors import Invalid
from ..eventlog.search import COMPARE, NAME, Condition, Scalar

Where: TypeAlias = str | Mapping[str, Scalar] | Sequence[Condition]
"""A text, or names with the values they must have, or conditions."""

CHARACTERS_MAX = 10_000
DIGITS_MAX = 40
"""Longer numbers are read as floats: Python refuses to read very long integers."""

TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.]))
    |(?P<op><=|>=|!=|<>|==|<|>|=)
    |(?P<word>[^\W\d][\w.]*)
    |(?P<other>\S)
    )""",
    re.VERBOSE,
)
TRUTHS = {"true": True, "false": False}
EXAMPLE = "customer = 'c-7' and amount > 2"


def conditions(where: Where) -> tuple[Condition, ...]:
    """The conditions that are meant, all of which must hold; Invalid says where a text goes wrong, and what would be right."""
    if isinstance(where, str):
        return _Reader(where).conditions()
    if isinstance(where, Mapping):
        return tuple(Condition(name, "=", value) for name, value in where.items())
    return tuple(where)


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > CHARACTERS_MAX:
            self.stop(CHARACTERS_MAX, f"at most {CHARACTERS_MAX} characters", f"{len(text)}", "search for less")
        found = [(str(one.lastgroup), one) for one in TOKEN.finditer(text)]
        self.tokens = [(kind, one[kind], one.start(kind)) for kind, one in found]
        self.place = 0

    def conditions(self) -> tuple[Condition, ...]:
        found = [self.condition()]
        while self.place < len(self.tokens):
            kind, word, at = self.take()
            if kind != "word" or word.lower() != "and":
                self.stop(at, "'and', or the end", repr(word), self.instead_of_and(word))
            found.append(self.condition())
        return tuple(found)

    def condition(self) -> Condition:
        kind, name, at = self.take()
        if kind != "word" or name.lower() in ("and", "or", "not"):
            instead = "turn the comparison round: there is no 'not'" if name.lower() == "not" else f"write for example {EXAMPLE}"
            self.stop(at, "the name of an attribute", repr(name) if name else "the end", instead)
        if not NAME.fullmatch(name):
            self.stop(at, "a name of letters, digits and '_', parts joined by '.'", repr(name), f"write for example {EXAMPLE}")
        kind, op, at = self.take()
        op = "=" if op == "==" else op
        if kind != "op" or op not in COMPARE:
            unequal = "search for the values that you want: what is not equal cannot be looked up"
            instead = unequal if op in ("!=", "<>") else f"write for example {EXAMPLE}"
            self.stop(at, "one of " + ", ".join(COMPARE), repr(op) if op else "the end", instead)
        at = self.tokens[self.place][2] if self.place < len(self.tokens) else len(self.text)
        value = self.value()
        try:
            return Condition(name, op, value)
        except Invalid as unfit:
            return self.stop(at, unfit.expected, unfit.found, unfit.instead)

    def value(self) -> Scalar:
        kind, word, at = self.take()
        if kind == "text":
            quote = word[0]
            return word[1:-1].replace(quote * 2, quote)
        if kind == "number":
            return float(word) if len(word) > DIGITS_MAX or not word.lstrip("-").isdigit() else int(word)
        if kind == "word" and word.lower() in TRUTHS:
            return TRUTHS[word.lower()]
        found = repr(word) if word else "the end"
        return self.stop(at, "a value: 'a text', a number, true or false", found, self.instead_of_value(kind, word, at))

    def take(self) -> tuple[str, str, int]:
        if self.place == len(self.tokens):
            return "", "", len(self.text)
        self.place += 1
        return self.tokens[self.place - 1]

    def instead_of_and(self, word: str) -> str:
        if word.lower() == "or":
            return "search once for each: there is no 'or'"
        return "join conditions by 'and'"

    def instead_of_value(self, kind: str, word: str, at: int) -> str:
        if word in ("'", '"'):
            return f"close the quote that begins at character {at + 1}"
        if kind == "word" and word.lower() in ("null", "none"):
            return "an attribute that is not there cannot be searched for"
        return f"put a text in quotes: '{word}'" if kind == "word" else f"write for example {EXAMPLE}"

    def stop(self, at: int, expected: str, found: str, instead: str) -> NoReturn:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."  # noqa: PLR2004 - a line
        raise Invalid("the conditions cannot be read", who=f"where {shown}", where=f"character {at + 1}", expected=expected, found=found,
                      instead=instead)
