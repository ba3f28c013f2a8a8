"""Channels, by the words that stand before an address, and the families that share one."""

from enum import StrEnum


class Channel(StrEnum):
    """How a message travels; the value is the word that stands before the colon of an address."""

    sms = "sms"
    mms = "mms"
    rcs = "rcs"
    whatsapp = "whatsapp"
    messenger = "messenger"
    instagram = "instagram"
    telegram = "telegram"
    line = "line"
    viber = "viber"
    email = "email"
    webpush = "webpush"
    apns = "apns"
    fcm = "fcm"
    apple = "apple"
    kakao = "kakao"
    zalo = "zalo"
    wechat = "wechat"


class Family(StrEnum):
    """Channels that share an address: sms, mms and rcs reach one phone, every other channel stands alone."""

    phone = "phone"
    whatsapp = "whatsapp"
    messenger = "messenger"
    instagram = "instagram"
    telegram = "telegram"
    line = "line"
    viber = "viber"
    email = "email"
    webpush = "webpush"
    apns = "apns"
    fcm = "fcm"
    apple = "apple"
    kakao = "kakao"
    zalo = "zalo"
    wechat = "wechat"


_PHONE = (Channel.sms, Channel.mms, Channel.rcs)
_FAMILIES = {c: Family.phone if c in _PHONE else Family(c.value) for c in Channel}
_BY_WORD = {c.value: c for c in Channel}


def family_of(channel: Channel) -> Family:
    """Give the family whose addresses this channel uses."""
    return _FAMILIES[channel]


def channel_named(word: str) -> Channel | None:
    """Give the channel of this word, in any case, or None."""
    return _BY_WORD.get(word.lower())
