"""What may stand in an address at all, on any channel, and the one error that says it does not."""

import re

INVISIBLE = "".join(
    map(
        chr,
        [
            0x00AD,  # soft hyphen
            0x061C,  # Arabic letter mark
            0x180E,  # Mongolian vowel separator
            *range(0x200B, 0x2010),  # zero-width space and joiners, left-to-right and right-to-left mark
            *range(0x202A, 0x202F),  # embeddings and overrides: phones wrap a copied number in them
            *range(0x2060, 0x2070),  # word joiner, invisible operators, isolates
            0xFEFF,  # byte order mark
        ],
    )
)
"""Characters that nobody sees and that therefore tell no two numbers apart."""

SPACES = "".join(map(chr, [0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]))
"""Every space of Unicode (category Zs)."""

LONGEST_ID = 255
LONGEST_URL = 2048
_LONGEST_TEXT = LONGEST_URL + 64  # the longest id, a channel prefix, and some space around them
_EDGE = INVISIBLE + SPACES
# Controls, line and paragraph separator, and halves of surrogate pairs, which no database text and no JSON can hold.
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class InvalidAddress(ValueError):
    """Not an address of its channel. The text says what is wrong and what to write, and never repeats the address."""


def trim(text: str) -> str:
    """Give the text without spaces and invisible characters around it; refuse what no address may hold."""
    if len(text) > _LONGEST_TEXT:
        raise InvalidAddress(f"an address has at most {LONGEST_URL} characters")
    if _NEVER.search(text):
        raise InvalidAddress("an address holds no NUL, line break, control character or lone surrogate: leave it out")
    return text.strip(_EDGE)


def opaque_id(text: str, *, longest: int = LONGEST_ID) -> str:
    """Give the id back as it is: only the platform that made it knows whether case or punctuation matters."""
    if not text:
        raise InvalidAddress("the id is missing: write it after the colon, as the platform gave it")
    if len(text) > longest:
        raise InvalidAddress(f"the id is longer than {longest} characters")
    if " " in text or not text.isprintable():
        raise InvalidAddress("the id holds white space or an unprintable character: write it as the platform gave it")
    return text
