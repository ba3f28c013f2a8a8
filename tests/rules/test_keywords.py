"""STOP, START and HELP are heard however they are written, when they are the whole message, and only then."""

# ruff: noqa: RUF001 - letters that only look alike are what is tested

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.facts import POLICY, RULE, policy_of

from consentry.rules.keywords import meaning, normalised

DAY = dt.date(2026, 11, 24)
FCC = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]
CTIA = ["STOP", "END", "CANCEL", "UNSUBSCRIBE", "QUIT"]
TWILIO = ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]
MEANT = {
    **dict.fromkeys([*FCC, *CTIA, *TWILIO], "stop"),
    **dict.fromkeys(["START", "UNSTOP"], "start"),
    **dict.fromkeys(["HELP", "INFO"], "help"),
}
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
MARKS = " .,!?;:-_*~\"'()[]\n\t\u00a0\u3000…–—¡¿«»“”"


def meant(text: str | None, channel: str = "sms") -> str | None:
    """Give what a text means."""
    found = meaning(text, channel, POLICY, DAY)
    return found and found[0]


def wide(text: str) -> str:
    """Give the full-width form that Asian keyboards write."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@pytest.mark.parametrize("word,means", MEANT.items())
def test_the_words_of_the_fcc_the_ctia_and_twilio_are_heard(word: str, means: str) -> None:
    spaced = " ".join(word)
    assert [meant(form) for form in (word, word.lower(), word.title(), wide(word), spaced, f" {word}. ")] == [means] * 6


@pytest.mark.parametrize(
    "text",
    [
        "STOP.",
        "Stop!!!",
        "ＳＴＯＰ",
        "S T O P",
        "s-t-o-p",
        "S.T.O.P.",
        "“Stop”",
        "*STOP*",
        "stop\n",
        "\r\n stop \r\n",
        "Stop All",
        "STOP-ALL",
        "opt-out",
        "Opt Out",
        "OPT_OUT",
        "opt–out",
        "st\u200bop",
        "\ufeffstop",
        "\u202estop\u202c",
        "sto\u00adp",
        "STOP 🛑",
        "🛑stop🛑",
        "stop\ufe0f",
        "𝐒𝐓𝐎𝐏",
        "🅢🅣🅞🅟 stop",
        "ⓈⓉⓄⓅ",
        "stop\u0336",
        "UNSUBSCRİBE",
        "unsubscri\u0307be",
        "Unsub",
        "Remove me",
    ],
)  # fmt: skip
def test_stop_is_heard_in_any_dress(text: str) -> None:
    assert meant(text) == "stop"


@pytest.mark.parametrize(
    "text,words",
    [
        ("St\u200bOp  ALL!", "stop all"),
        ("opt-out", "opt out"),
        ("don't", "dont"),
        ("Straße", "strasse"),
        ("İ", "i"),
        ("ＳＴＯＰ\u3000１", "stop 1"),
        ("\u202estop\u202c", "stop"),
        ("arre\u0302t", "arrêt"),
        ("หยุด", "หยุด"),
        ("🛑", ""),
    ],
)
def test_a_text_is_reduced_to_its_words(text: str, words: str) -> None:
    assert normalised(text) == words


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "\u200b",
        "...",
        "🛑",
        "stop it please now",
        "STOPPED",
        "stop stop it",
        "please stop",
        "don't stop",
        "stop1",
        "non-stop",
        "yes",
        "y",
        "ok",
        "help me",
        "ended",
        "the end",
        "st0p",
        "стор",
        "stop" + "!" * 200,
        "stop " * 100_000,
    ],
)
def test_what_only_contains_a_word_is_no_keyword(text: str | None) -> None:
    assert meant(text) is None


def test_a_keyword_names_the_rule_that_knows_it() -> None:
    assert meaning("Stop", "sms", POLICY, DAY) == ("stop", "keywords.en.stop")


@pytest.mark.parametrize("channel", ["sms", "mms", "rcs", "whatsapp", "messenger", "telegram", "line", "email"])
def test_stop_is_heard_on_every_channel(channel: str) -> None:
    assert meant("stop", channel) == "stop"


def test_words_hold_from_the_day_of_their_rule() -> None:
    assert meaning("stop", "sms", POLICY, dt.date(2025, 4, 10)) is None
    assert meaning("stop", "sms", POLICY, dt.date(2025, 4, 11)) is not None


@pytest.mark.parametrize("word", ["หยุด", "arrêt", "αβγ", "停止", "बंद", "توقف", "стоп"])
@pytest.mark.parametrize("change", [str, str.upper, lambda w: f" {w}! ", "\u200b".join])
def test_words_of_every_script_are_heard(tmp_path: Path, word: str, change: Callable[[str], str]) -> None:
    body = f'means = "stop"\nlanguage = "xx"\nwords = ["{word}"]'
    rule = RULE.replace("consent_required", "keyword_set").replace('level = "express"', body)
    assert meaning(change(word), "sms", policy_of(tmp_path, rule), DAY) == ("stop", "test.rule")


WORD = st.sampled_from(sorted(MEANT))
FILLER = st.text(ZERO_WIDTH + MARKS, max_size=4)


@given(st.data(), WORD, FILLER, FILLER)
def test_case_punctuation_spaces_and_what_nobody_sees_change_nothing(
    data: st.DataObject, word: str, before: str, after: str
) -> None:
    letters = [
        data.draw(st.sampled_from([c.lower(), c.upper(), wide(c)])) + data.draw(st.text(ZERO_WIDTH + MARKS, max_size=2))
        for c in word
    ]
    assert meant(before + "".join(letters) + after) == MEANT[word]


@given(st.text(max_size=300))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), WORD)
def test_a_word_in_a_longer_word_is_no_keyword(more: str, word: str) -> None:
    spelled = normalised(word + more).replace(" ", "")
    known = POLICY.keywords("sms", DAY)
    assert (meant(word + more) is not None) is (spelled in known)
