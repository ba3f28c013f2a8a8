"""Segments are counted as carriers bill them: 160 or 153 of GSM-7, 70 or 67 of UCS-2, no character split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.segments import count

EXTENDED = "^{}\\[~]|€\f"


@pytest.mark.parametrize(
    "length,segments",
    [(0, 1), (1, 1), (159, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3), (460, 4), (1530, 10), (1531, 11)],
)
@pytest.mark.parametrize("char", ["a", "@", "£", "Δ", "ñ", "\n", " "])
def test_a_text_of_the_gsm_alphabet_has_160_characters_or_parts_of_153(char: str, length: int, segments: int) -> None:
    assert count(char * length) == segments


@pytest.mark.parametrize("length,segments", [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)])
@pytest.mark.parametrize("char", ["я", "中", "`", "ç", "\u2019", "\ud800"])
def test_any_other_text_has_70_characters_or_parts_of_67(char: str, length: int, segments: int) -> None:
    assert count(char * length) == segments


@pytest.mark.parametrize("char", EXTENDED)
@pytest.mark.parametrize("length,segments", [(1, 1), (80, 1), (81, 2), (152, 2), (153, 3)])
def test_characters_of_the_extension_take_two(char: str, length: int, segments: int) -> None:
    assert count(char * length) == segments


@pytest.mark.parametrize("length,segments", [(1, 1), (35, 1), (36, 2), (66, 2), (67, 3)])
def test_an_emoji_takes_two(length: int, segments: int) -> None:
    assert count("😀" * length) == segments


@pytest.mark.parametrize(
    "text,segments",
    [
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("я" * 66 + "😀" + "я" * 65, 2),
        ("я" * 66 + "😀" + "я" * 66, 3),
        ("a" * 160 + "я", 3),
        ("a" * 69 + "я", 1),
    ],
)
def test_no_character_is_split_and_one_foreign_letter_changes_the_alphabet(text: str, segments: int) -> None:
    assert count(text) == segments


@given(st.text(max_size=700), st.characters())
def test_a_longer_text_never_takes_fewer_segments(text: str, more: str) -> None:
    assert 1 <= count(text) <= count(text + more)


@given(st.text(max_size=700))
def test_no_alphabet_needs_more_than_parts_of_66_units(text: str) -> None:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert count(text) <= max(1, -(-units // 66))
