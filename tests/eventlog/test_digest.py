"""The content digest: the same for the same deeds, whatever their order; another for any other."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure.eventlog.digest import Item, content_digest

BYTES = st.binary(max_size=5)
ITEMS = st.lists(st.builds(Item, st.text("0123.", max_size=4), st.text("ab:", max_size=4), BYTES, BYTES), max_size=6)


@given(ITEMS.flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))), BYTES)
def test_the_order_in_which_things_were_done_does_not_matter(orders: tuple[list[Item], list[Item]], result: bytes) -> None:
    assert content_digest(orders[0], result) == content_digest(orders[1], result)


@given(ITEMS, ITEMS, BYTES, BYTES)
def test_different_content_has_a_different_digest(one: list[Item], other: list[Item], result: bytes, other_result: bytes) -> None:
    assume((sorted(one), result) != (sorted(other), other_result))

    assert content_digest(one, result) != content_digest(other, other_result)


def test_every_part_of_an_item_counts() -> None:
    item = Item("0", "charge", b'["o-1",1200]', b'"receipt"')
    changed = [
        item,
        replace(item, id="1"),
        replace(item, name="refund"),
        replace(item, arguments=b"[]"),
        replace(item, outcome=b"null"),
    ]

    assert len({content_digest([each], b"1") for each in changed} | {content_digest([item], b"2"), content_digest([], b"1")}) == 7


def test_bytes_cannot_move_from_one_part_to_the_next() -> None:
    assert content_digest([Item("a", "bc", b"", b"")], b"") != content_digest([Item("ab", "c", b"", b"")], b"")
    assert content_digest([Item("", "", b"", b"")], b"") != content_digest([], b"0:0:0:0:")


def test_the_digest_is_the_same_for_ever() -> None:
    items = [Item("1", "ship", b"[]", b"null"), Item("0", "charge", b'["o-1"]', b'"r"')]

    assert content_digest(items, b'"done"') == "9e55c5db024572d54152e5d3f790d8f1597bc37a48508abcde2f51afb9ac068e"
