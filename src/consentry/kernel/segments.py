"""How many SMS segments a text takes: GSM 7-bit or UCS-2 (3GPP TS 23.038, TS 23.040)."""

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")
_GSM_SINGLE, _GSM_PART = 160, 153
_UCS_SINGLE, _UCS_PART = 70, 67


def count(text: str) -> int:
    """Give the number of segments; an empty text is one."""
    if len(text) <= _GSM_SINGLE and _BASIC.issuperset(text):
        return 1
    if (_BASIC | _EXTENDED).issuperset(text):
        units = len(text) + sum(char in _EXTENDED for char in text)
        single, part = _GSM_SINGLE, _GSM_PART
    else:
        units = len(text.encode("utf-16-le", "surrogatepass")) // 2
        single, part = _UCS_SINGLE, _UCS_PART
    return 1 if units <= single else -(-units // part)
