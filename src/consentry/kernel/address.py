"""Addresses: where a user is reached on a channel, in one canonical form, and the key that the ledger files it under.

An address has two forms. `text` is what a provider is given; `key_form` is what all spellings of one endpoint share,
so that an opt-out under one spelling stops messages to every other (reliability I11).
"""

import hmac
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec

from consentry.kernel.channel import Channel, Family, channel_named, family_of
from consentry.kernel.mailbox import read_mailbox
from consentry.kernel.mask import mask
from consentry.kernel.phone import is_plain_nanp, read_number
from consentry.kernel.spelling import LONGEST_URL, InvalidAddress, opaque_id, trim

__all__ = [
    "Address",
    "Channel",
    "Family",
    "InvalidAddress",
    "address_key",
    "family_of",
    "lane_of",
    "mask",
    "parse_recipient",
    "parse_sender",
]


class Address(msgspec.Struct, frozen=True):
    """One endpoint: its channel, the form on the wire, and the folded form that its variants share."""

    channel: Channel
    text: str
    key_form: str


_WIRE_PREFIX = {c: "" if c in (Channel.sms, Channel.mms) else f"{c.value}:" for c in Channel}

_BSUID = re.compile(r"([A-Za-z]{2})(\.(?:ENT\.)?[A-Za-z0-9]{1,128})")
_TELEGRAM = re.compile(r"-?[1-9][0-9]{0,19}|@[A-Za-z][A-Za-z0-9_]{2,31}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ALPHA_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_RCS_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,254}")

_CACHED = 65536
_LONGEST_CACHED = 320  # longer texts are push endpoints; the cache must stay some tens of megabytes

_KEY_DOMAIN = b"consentry address key 1\0"
_KEY_BYTES = 16


def parse_recipient(text: str, *, channel: Channel | None = None) -> Address:
    """Give the one canonical address that this text writes, or raise InvalidAddress.

    Args:
        text: `+E164`, or a channel's word, a colon and the id (docs of Twilio; twilio-contract §4.3). The word's case
            does not matter.
        channel: The channel, where the caller knows it; then the prefix may be missing but must not disagree.
    """
    return _recipient(text, channel) if len(text) <= _LONGEST_CACHED else _read_recipient(text, channel)


def parse_sender(text: str, *, channel: Channel | None = None) -> Address:
    """Give the canonical address of one of our senders, or raise InvalidAddress.

    Beyond what a recipient may be, this is an SMS short code, an alphanumeric SMS sender id or an RCS agent id.
    Those are left as they are: carriers compare them letter by letter.
    """
    return _sender(text, channel) if len(text) <= _LONGEST_CACHED else _read_sender(text, channel)


def address_key(secret: bytes, account_id: int, key_form: str) -> bytes:
    """Give the ledger key: 16 bytes that say nothing about the address to whoever lacks the secret.

    What is signed is a fixed label, the account in eight bytes and the key form, which starts with its family's word
    and a colon: no two triples of account, family and address are written alike. Accounts share no keys.
    """
    message = _KEY_DOMAIN + account_id.to_bytes(8, "big", signed=True) + key_form.encode()
    return hmac.digest(secret, message, "sha256")[:_KEY_BYTES]


def lane_of(key: bytes) -> int:
    """Give the lane (0 to 255) that every row of this address lives in."""
    return key[0]


def _read_recipient(text: str, channel: Channel | None) -> Address:
    if channel is None and is_plain_nanp(text):  # most of all traffic; what follows gives the same, slower
        return Address(Channel.sms, text, f"phone:{text}")
    return _address(*_split(trim(text), channel))


def _read_sender(text: str, channel: Channel | None) -> Address:
    on, rest = _split(trim(text), channel)
    name = rest.strip(" ")
    if on in (Channel.sms, Channel.mms) and _SHORT_CODE.fullmatch(name):
        return Address(on, name, f"phone:{name}")
    if on is Channel.sms and _ALPHA_SENDER.fullmatch(name):
        return Address(on, name, f"phone:{name}")
    if on is Channel.rcs and _RCS_AGENT.fullmatch(name):
        return Address(on, f"rcs:{name}", f"phone:rcs:{name}")
    return _address(on, rest)


_recipient = lru_cache(_CACHED)(_read_recipient)
_sender = lru_cache(_CACHED)(_read_sender)


def _split(text: str, channel: Channel | None) -> tuple[Channel, str]:
    """Give the channel and what stands behind its prefix. Ids may hold colons; only the first word can be a prefix."""
    word, colon, rest = text.partition(":")
    named = channel_named(word) if colon else None
    if named is not None:
        if channel not in (None, named):
            raise InvalidAddress(f"the address is of {named}, the channel is {channel}: make them agree")
        return named, rest
    if colon and word.lower() == "tel" and (channel is None or family_of(channel) is Family.phone):  # RFC 3966
        return channel or Channel.sms, rest
    if channel is not None:
        return channel, text
    if colon:
        raise InvalidAddress(f"no channel has this prefix; known are {', '.join(Channel)}")
    if "@" in text:
        raise InvalidAddress("an e-mail address needs its prefix: write email:name@example.com")
    return Channel.sms, text


def _address(channel: Channel, rest: str) -> Address:
    wire, folded = _READERS[channel](rest)
    return Address(channel, _WIRE_PREFIX[channel] + wire, f"{family_of(channel)}:{folded}")


def _whatsapp(text: str) -> tuple[str, str]:
    """Read a number, a wa_id (a number without its plus) or a business-scoped user id such as `US.1349…`.

    A business-scoped id is no phone number and gets no plus; `US.ENT.…` is the one of a portfolio (Meta, 2026).
    """
    if match := _BSUID.fullmatch(text):
        user_id = match[1].upper() + match[2]
        return user_id, user_id
    return read_number(f"+{text}" if text.isascii() and text.isdigit() else text)


def _page_scoped(text: str) -> tuple[str, str]:
    """Read a page-scoped id (digits), or the user_ref of a checkbox opt-in, which stands in until one is known."""
    head, colon, ref = text.partition(":")
    if colon and head == "user_ref":
        opaque_id(ref)
    elif not (text.isascii() and text.isdigit()):
        raise InvalidAddress("a page-scoped id has only digits: write messenger:1234567890 or instagram:1234567890")
    return _opaque(text)


def _telegram(text: str) -> tuple[str, str]:
    """Read a chat id or a public @username; usernames are the same in any case."""
    if not _TELEGRAM.fullmatch(text):
        raise InvalidAddress(
            "a Telegram address is a chat id or a username: telegram:42, telegram:-10042, telegram:@name"
        )
    return text, text.lower()


def _opaque(text: str) -> tuple[str, str]:
    kept = opaque_id(text)
    return kept, kept


def _endpoint(text: str) -> tuple[str, str]:
    kept = opaque_id(text, longest=LONGEST_URL)
    return kept, kept


_READERS: Mapping[Channel, Callable[[str], tuple[str, str]]] = dict.fromkeys(Channel, _opaque) | {
    Channel.sms: read_number,
    Channel.mms: read_number,
    Channel.rcs: read_number,
    Channel.whatsapp: _whatsapp,
    Channel.messenger: _page_scoped,
    Channel.instagram: _page_scoped,
    Channel.telegram: _telegram,
    Channel.email: read_mailbox,
    Channel.webpush: _endpoint,
}
