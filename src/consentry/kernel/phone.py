"""Telephone numbers: one deliverable spelling (E.164), and one folded spelling that all variants of a line share.

The two differ where a numbering plan changed or a platform kept its own habit. WhatsApp reports Mexican, Brazilian and
Argentine users under a number that differs from the one their form was filled in with, so a STOP would otherwise be
filed under one spelling and the next message sent to the other (chatwoot#14174, python-phonenumbers#306; reliability
I11 and F18).
"""

import re

import phonenumbers

from consentry.kernel.spelling import INVISIBLE, SPACES, InvalidAddress

LONGEST_INPUT = 64
_FULL_WIDTH_PLUS = 0xFF0B
_DASHES = [*range(0x2010, 0x2016), 0x2212, 0x30FC, 0xFE58, 0xFE63, 0xFF0D]
_WIDE_MARKS = [0xFF08, 0xFF09, 0xFF0E, 0xFF0F]  # full-width ( ) . /
_SEPARATORS = dict.fromkeys([*map(ord, "-.()/" + SPACES + INVISIBLE), *_DASHES, *_WIDE_MARKS])
_SPELLED_OUT = {**_SEPARATORS, _FULL_WIDTH_PLUS: "+"}
_PLUS_AND_DIGITS = re.compile(r"\+[0-9]+")
_NANP = re.compile(r"\+1[2-9][0-9]{9}")
_MOST_ROUNDS = 4

# By the first three characters: the written variant of a plan, and what it folds to. No result matches its own
# pattern again, and none is another plan's variant, so folding twice is folding once.
_VARIANTS = {
    # Mexico dropped the mobile 1 in 2019; WhatsApp and Twilio still report it.
    "+52": (re.compile(r"\+521([0-9]{10})"), r"+52\1"),
    # Argentina: the 9 says "mobile" to callers from abroad; area code and subscriber are the same without it.
    "+54": (re.compile(r"\+549([0-9]{10})"), r"+54\1"),
    # Brazil gave mobiles a leading ninth digit by 2016; older WhatsApp accounts lack it. Landlines start with 2 to 5.
    "+55": (re.compile(r"\+55([1-9]{2})([6-9][0-9]{7})"), r"+55\g<1>9\2"),
    # Benin put 01 before every number on 2024-11-30 (libphonenumber knows only the new form).
    "+22": (re.compile(r"\+229([0-9]{8})"), r"+22901\1"),
}


def is_plain_nanp(text: str) -> bool:
    """Tell whether this is a North American number in E.164, which is its own canonical and folded form.

    The plan has one length and no variants, so nothing needs to be looked up; a property test holds this against
    `read_by_plan`. Numbers whose area code starts with 0 or 1 are left to the plan.
    """
    return _NANP.fullmatch(text) is not None


def read_number(text: str) -> tuple[str, str]:
    """Give the E.164 number that this text writes, and its folded form."""
    return (text, text) if is_plain_nanp(text) else read_by_plan(text)


def read_by_plan(text: str) -> tuple[str, str]:
    """Give the same as `read_number`, by the numbering plan of the number's country.

    A number has to be possible, not assigned: fictional 555 numbers and Twilio's magic numbers (+15005550001 to 09)
    are addresses, and a plan may have grown since the library's data were made. A variant is possible if its folded
    form is, since the library has forgotten some variants that platforms still report (+521).
    """
    canonical, number = _settled(_compact(text))
    folded = fold(canonical)
    if not _is_whole(number) and (folded == canonical or not _is_whole(_parsed(folded))):
        raise InvalidAddress("the number has too few or too many digits for its country code: check it")
    return canonical, folded


def _is_whole(number: phonenumbers.PhoneNumber) -> bool:
    """Tell whether the digits can be a whole number of the plan; one without its area code is not."""
    return phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE


def fold(e164: str) -> str:
    """Give the one spelling that all variants of this number share; a number without variants is its own."""
    variant = _VARIANTS.get(e164[:3])
    match = variant and variant[0].fullmatch(e164)
    return match.expand(variant[1]) if variant and match else e164


def _compact(text: str) -> str:
    """Give plus and ASCII digits; refuse everything that is neither a digit nor a mark people group digits with."""
    if len(text) > LONGEST_INPUT:
        raise InvalidAddress(f"a phone number is written in at most {LONGEST_INPUT} characters")
    bare = text.translate(_SPELLED_OUT)
    if not bare.isascii():
        bare = "".join(str(int(c)) if c.isdecimal() else c for c in bare)
    if not bare.startswith("+"):
        # Without a plus nobody knows the country: "00" is not an international prefix everywhere.
        raise InvalidAddress("the number has no country code: write it in E.164, e.g. +14155550123")
    if not _PLUS_AND_DIGITS.fullmatch(bare):
        raise InvalidAddress("a number holds only digits after its plus, no letters and no extension: +14155550123")
    return bare


def _settled(digits: str) -> tuple[str, phonenumbers.PhoneNumber]:
    """Give the number as the library writes it, read again until it no longer changes.

    One reading takes off one national prefix ("+44 (0)1632…"), and in some plans a second one stands behind it;
    what comes out must come out unchanged when it goes in again.
    """
    for _ in range(_MOST_ROUNDS):
        number = _parsed(digits)
        settled = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if settled == digits:
            return settled, number
        digits = settled
    raise InvalidAddress("the number repeats its national prefix: write it in E.164, e.g. +14155550123")


def _parsed(digits: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(digits, None)
    except phonenumbers.NumberParseException:
        raise InvalidAddress("no country has such a number: write it in E.164, e.g. +14155550123") from None
