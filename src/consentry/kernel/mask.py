"""Addresses as logs may show them: enough to recognise one's own, never the whole."""

import re

from consentry.kernel.channel import channel_named

_HIDDEN = "•••"  # always three, so that the length stays hidden too
_DOMAIN = re.compile(r"[A-Za-z0-9.-]{1,253}")


def mask(text: str) -> str:
    """Give `+1415•••0123`, `email:a•••@b.example`, `messenger:12•••89`; any text may come in, also one that is no address.

    Hidden are three characters of an id or more, all of a shorter one, and all but a letter of a mailbox's name. Nothing
    unprintable comes out that could break a log line.
    """
    word, colon, rest = text.partition(":")
    if colon and channel_named(word):
        return f"{word.lower()}:{_masked(rest)}"
    return _masked(text)


def _masked(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if at and _DOMAIN.fullmatch(domain):
        # A local part of one letter would be shown whole.
        return f"{_printable(local[:1]) if local[1:] else ''}{_HIDDEN}@{domain}"
    head, tail = (5, 4) if text.startswith("+") else (2, 2)
    spare = max(0, len(text) - len(_HIDDEN))
    if head + tail > spare:
        head = tail = spare // 2
    return f"{_printable(text[:head])}{_HIDDEN}{_printable(text[len(text) - tail :])}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
