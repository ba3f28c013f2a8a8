"""Recognise STOP, START and HELP when they are the whole message, however they are spelled.

Normalisation is that of rules.md 3.2: width, case, zero-width characters, punctuation and spacing do not matter.
"""

import datetime as dt
import unicodedata
from typing import Final

from consentry.rules.compiled import Policy

_LONGEST: Final = 200
"""No keyword is near this long; what is longer is no keyword, and costs nothing to see."""
_SILENT: Final = frozenset(
    [chr(c) for c in range(0x300, 0x370)]  # combining accents: a dotted capital I folds to i and one of these
    + [chr(c) for c in range(0xFE00, 0xFE10)]  # variation selectors
    + ["'", "`", chr(0xB4), chr(0x2018), chr(0x2019)]  # apostrophes join: don't is one word
)
"""Characters that leave no gap. Marks of other scripts stay: they carry meaning there."""


def normalised(text: str) -> str:
    """Give the words of a text: NFKC, case folded, format characters dropped, punctuation as single spaces."""
    kept = []
    for char in unicodedata.normalize("NFKC", text).casefold():
        kind = unicodedata.category(char)
        if kind == "Cf" or char in _SILENT:
            continue
        kept.append(char if kind[0] in "LNM" else " ")
    return " ".join("".join(kept).split())


def meaning(text: str | None, channel: str, policy: Policy, day: dt.date) -> tuple[str, str] | None:
    """Give (stop | start | help, rule id) if the whole text is a keyword, else None."""
    if not text or len(text) > _LONGEST:
        return None
    words = policy.keywords(channel, day)
    return words.get(normalised(text).replace(" ", ""))
