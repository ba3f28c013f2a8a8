"""How many SMS segments a text takes: GSM 7-bit or UCS-2 (3GPP TS 23.038, TS 23.040)."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")
_GSM_SINGLE, _GSM_PART = 160, 153
_UCS_SINGLE, _UCS_PART = 70, 67
_LAST_OF_ONE_UNIT: Final = "\uffff"


def count(text: str) -> int:
    """Give the number of segments; an empty text is one. A character of two units is never split over two segments."""
    if len(text) <= _GSM_SINGLE and _BASIC.issuperset(text):
        return 1
    if (_BASIC | _EXTENDED).issuperset(text):
        sizes = [2 if char in _EXTENDED else 1 for char in text]
        single, part = _GSM_SINGLE, _GSM_PART
    else:
        sizes = [2 if char > _LAST_OF_ONE_UNIT else 1 for char in text]
        single, part = _UCS_SINGLE, _UCS_PART
    if sum(sizes) <= single:
        return 1
    segments, free = 1, part
    for size in sizes:
        if size > free:
            segments, free = segments + 1, part
        free -= size
    return segments
