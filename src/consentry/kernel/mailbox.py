"""E-mail addresses: the bare `local@domain`, no display name, with the domain in the form that DNS carries."""

import re
import unicodedata

import idna

from consentry.kernel.spelling import InvalidAddress

_LONGEST_LOCAL = 64  # RFC 5321 section 4.5.3.1.1, in octets
_LONGEST_ADDRESS = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets, in octets
_LONGEST_DOMAIN = 253
# atext of RFC 5322 and, by RFC 6531, anything beyond ASCII; whether that is printable is asked apart.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def read_mailbox(text: str) -> tuple[str, str]:
    """Give the deliverable address, and the folded form that its spelling variants share.

    The local part is the receiving host's business, so it is sent as written. Folded, its case is ignored: hardly any
    host tells cases apart, and an opt-out that covers one mailbox too many beats one that misses. A +tag stays, as it
    may be another mailbox.
    """
    if len(text) > _LONGEST_ADDRESS:
        raise InvalidAddress(f"an e-mail address has at most {_LONGEST_ADDRESS} octets")
    # NFC comes before every check: it turns some characters into ASCII (U+037E into a semicolon).
    local, at, domain = unicodedata.normalize("NFC", text).partition("@")
    if not at or "@" in domain:
        raise InvalidAddress("an e-mail address has exactly one @: write name@example.com")
    if not local.isprintable() or not _DOT_ATOM.fullmatch(local):
        raise InvalidAddress("write the bare e-mail address, with no display name, quotes, brackets or white space")
    host = _host(domain)
    address = f"{local}@{host}"
    if len(local.encode()) > _LONGEST_LOCAL or len(address.encode()) > _LONGEST_ADDRESS:
        raise InvalidAddress(f"the part before the @ has at most {_LONGEST_LOCAL} octets, all {_LONGEST_ADDRESS}")
    return address, f"{unicodedata.normalize('NFC', local.casefold())}@{host}"


def _host(domain: str) -> str:
    """Give the domain in lower-case A-labels (IDNA 2008 with the mapping of UTS #46)."""
    lower = domain.lower()
    # Most domains need no table; a property test holds this shortcut against `idna_host`. Hyphens in the third and
    # fourth place mark encoded labels, which have to be looked into.
    if "--" not in lower and len(lower) <= _LONGEST_DOMAIN and _PLAIN_DOMAIN.fullmatch(lower) and domain.isascii():
        return lower
    return idna_host(domain)


def idna_host(domain: str) -> str:
    """Give the same as the shortcut for plain domains does, for any domain."""
    if not domain.isprintable():  # the mapping would silently drop invisible characters
        raise InvalidAddress("the domain of the e-mail address holds an unprintable character")
    try:
        host = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:  # which idna's own errors are, too
        raise InvalidAddress("the part after the @ is not a domain name: write name@example.com") from None
    if host.endswith("."):
        raise InvalidAddress("the domain of an e-mail address ends without a dot: write name@example.com")
    return host
