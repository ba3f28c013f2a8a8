"""Who is who: accounts, their keys, their senders. The directory keeps a copy of all of them in memory."""

from datetime import datetime
from enum import StrEnum

import msgspec

from consentry.kernel.address import Channel


class Scope(StrEnum):
    """What a key may do; deny by default. An account's own token may do everything within the account."""

    SEND = "send"
    READ = "read"
    CONSENT = "consent"
    COMPLIANCE = "compliance"
    ADMIN = "admin"


class Account(msgspec.Struct, frozen=True):
    """A tenant. The auth token is kept in memory to sign callbacks with."""

    account_id: int
    sid: str
    friendly_name: str
    auth_token: str
    status: str
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True):
    """A key of an account, with the hash of its secret."""

    sid: str
    account_id: int
    secret_hash: bytes
    scopes: frozenset[str]


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request, and what they may do."""

    account: Account
    actor: str
    scopes: frozenset[str]


class Sender(msgspec.Struct, frozen=True):
    """An installed instance of a channel at a provider; `configuration` is JSON with its credentials."""

    sender_id: int
    sid: str
    account_id: int
    account_sid: str
    channel: Channel
    provider: str
    address: str
    friendly_name: str
    configuration: bytes
    callback_url: str | None
    callback_method: str
    fallback_url: str | None
    fallback_method: str
    status_callback_url: str | None
    status_callback_method: str
    paused: bool
    restricted: bool
    rate_per_s: float | None
    max_in_flight: int
    created_at: datetime
    updated_at: datetime
