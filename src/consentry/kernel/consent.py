"""The words of consent: events, purposes, records, and the head that a fold of records gives.

Event names are a closed vocabulary: one for each thing a platform or a caller can tell us about a person's will.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.errors import Invalid

ALL: Final = "all"
TOPIC: Final = "topic:"


class Event(StrEnum):
    """What happened, in one word."""

    GRANT_EXPLICIT = "grant.explicit"
    GRANT_IMPLICIT = "grant.implicit"
    REVOKE_KEYWORD = "revoke.keyword"
    REVOKE_PREFERENCE = "revoke.preference"
    REVOKE_BLOCK = "revoke.block"
    REVOKE_COMPLAINT = "revoke.complaint"
    REVOKE_INFERRED = "revoke.inferred"
    RESTORE_RESUME = "restore.resume"
    RESTORE_UNBLOCKED = "restore.unblocked"
    REACH_LOST = "reach.lost"
    REACH_RESTORED = "reach.restored"
    IDENTITY_CHANGED = "identity.changed"
    IDENTITY_LINKED = "identity.linked"
    WINDOW_OPENED = "window.opened"
    HELP_REQUESTED = "help.requested"
    REVIEW_POSSIBLE_OPTOUT = "review.possible_optout"
    SENDER_RESTRICTED = "sender.restricted"
    SENDER_RESTORED = "sender.restored"
    PROVIDER_BLOCK_OBSERVED = "provider_block.observed"
    PROVIDER_BLOCK_CLEARED = "provider_block.cleared"


REVOCATIONS: Final = frozenset(
    {
        Event.REVOKE_KEYWORD,
        Event.REVOKE_PREFERENCE,
        Event.REVOKE_BLOCK,
        Event.REVOKE_COMPLAINT,
        Event.REVOKE_INFERRED,
        Event.REVIEW_POSSIBLE_OPTOUT,
    }
)
"""After one of these the acknowledgement waits until no live lease of the address remains."""


class Category(StrEnum):
    """What a message is for: a claim of the caller, logged with every decision."""

    EMERGENCY = "emergency"
    OTP = "otp"
    TRANSACTIONAL = "transactional"
    SERVICE = "service"
    INFORMATIONAL = "informational"
    CONVERSATIONAL = "conversational"
    DEBT = "debt"
    CHARITY = "charity"
    POLITICAL = "political"
    SURVEY = "survey"
    MARKETING = "marketing"
    OPTIN_CONFIRMATION = "optin_confirmation"
    DOUBLE_OPTIN_REQUEST = "double_optin_request"
    REVOCATION_CONFIRMATION = "revocation_confirmation"
    HELP_REPLY = "help_reply"


SYSTEM_CATEGORIES: Final = frozenset(
    {
        Category.OPTIN_CONFIRMATION,
        Category.DOUBLE_OPTIN_REQUEST,
        Category.REVOCATION_CONFIRMATION,
        Category.HELP_REPLY,
    }
)
"""Only the service itself writes these; a caller cannot claim them."""

_ALIASES: Final = {"otp_auth": "otp", "promotional": "marketing", "utility": "service"}
_CALLER_CATEGORIES: Final = frozenset(str(c) for c in Category) - frozenset(str(c) for c in SYSTEM_CATEGORIES)
_TOPIC_MAX: Final = 128


def parse_purpose(text: str, *, field: str = "purpose", allow_all: bool = True) -> str:
    """Read a purpose: a category, `topic:NAME`, or `all`.

    Errors: Invalid names the field and lists what is known. System categories are refused: no caller may claim them.
    """
    word = _ALIASES.get(text, text)
    if word in _CALLER_CATEGORIES or (allow_all and word == ALL):
        return word
    if word.startswith(TOPIC) and len(TOPIC) < len(word) <= _TOPIC_MAX and word.isprintable():
        return word
    known = ", ".join(sorted(_CALLER_CATEGORIES))
    raise Invalid(
        f"{field} {text[:40]!r} is not known; use {'all, ' if allow_all else ''}topic:NAME or one of {known}",
        field=field,
    )


class Record(msgspec.Struct, frozen=True):
    """One row of the ledger: a signal accepted as fact. Times are aware; `sender` is `all` or a sid."""

    record_id: bytes
    account_id: int
    lane: int
    address_key: bytes
    channel: Channel
    event: Event
    purpose: str
    sender: str
    origin: str
    """The sid of the sender where it was said, or empty: a START undoes only the STOP said in the same place."""
    source: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    expires_at: datetime | None = None
    lifts: bool = False
    """Whether it may lift a revocation: explicit, with evidence, and no import."""
    provider: str = ""
    provider_event_id: str = ""
    evidence_id: bytes | None = None
    evidence_hash: bytes | None = None
    rule_id: str = ""


class Cell(msgspec.Struct, frozen=True, array_like=True):
    """The latest record of one event in one scope; a head is a sorted set of these. Times are Unix microseconds."""

    event: str
    channel: str
    sender: str
    purpose: str
    origin: str
    lifts: bool
    at: int
    record: str
    recorded: int
    expires: int = 0


class Head(msgspec.Struct, frozen=True):
    """The current state of one address: the number of its records, and their latest in each scope."""

    version: int = 0
    cells: tuple[Cell, ...] = ()


class Signal(msgspec.Struct, frozen=True):
    """One normalised thing that a platform told us; `address` is null if it names no user."""

    event: Event
    channel: Channel
    address: str | None
    sender_address: str | None
    purpose: str = ALL
    occurred_at: datetime | None = None
    provider_event_id: str | None = None
    new_address: str | None = None
