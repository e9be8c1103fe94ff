"""What the formats say, part by part."""

from __future__ import annotations

import pytest

import perdure
from perdure.adapters.rag.markup import Part, html, markdown, python, rst


def told(parts: list[Part]) -> list[tuple[str, int]]:
    return [(part.title, part.line) for part in parts]


def test_markdown_has_a_part_for_each_heading_and_none_for_what_is_fenced() -> None:
    text = "before\n\n# One\n\nfirst\n\n```sh\n# no heading\n```\n\n## Two ##\nsecond\n"

    parts = list(markdown(text))

    assert told(parts) == [("", 1), ("One", 3), ("Two", 11)]
    assert "# no heading" in parts[1].text
    assert [text[part.start : part.start + len(part.text)] for part in parts] == [part.text for part in parts]
    assert "".join(part.text for part in parts) == text


def test_rst_has_a_part_for_each_underlined_title() -> None:
    text = "Title\n=====\n\nabout\n\nBelow\n-----\nmore\n\n- no title\n- at all\n"

    assert told(list(rst(text))) == [("Title", 1), ("Below", 6)]


def test_html_says_no_tags_scripts_or_styles() -> None:
    text = (
        "<html><head><title>Page &amp; more</title><style>p {}</style><script>let a = '<p>';</script></head>\n"
        "<body><p>Hello <b>wor</b>ld</p>\n<h2>Next <i>one</i></h2><p>a&nbsp;b</p></body></html>"
    )

    parts = list(html(text))

    assert told(parts) == [("Page & more", 1), ("Next one", 3)]
    assert "Hello world" in parts[0].text
    said = "".join(part.text for part in parts)
    assert "let" not in said
    assert "{}" not in said
    assert "<" not in said


def test_broken_html_is_read_as_far_as_it_says_something() -> None:
    assert "here" in "".join(part.text for part in html("</p></script><h1>here<p>and <b"))


def test_of_python_the_docstrings_are_read_with_what_they_document() -> None:
    method = '    def b(self, n: int = 1) -> None:\n        """Does b."""\n\n    def c(self): ...\n'
    text = '"""The module."""\n\nclass A:\n    """A class."""\n\n' + method

    parts = list(python(text))

    assert told(parts) == [("", 1), ("A", 3), ("A.b", 6)]
    assert parts[2].text == "def b(self, n: int=1)\n\nDoes b.\n\n"
    assert parts[1].start == len(parts[0].text)


def test_what_is_no_python_is_refused() -> None:
    for text in ("def (:", "(" * 10_000, "x = '\\ud800"):
        with pytest.raises(perdure.Invalid, match="no Python"):
            list(python(text))
