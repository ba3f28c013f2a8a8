"""The words of messages: states, failure classes, and what adapters say of inbound texts and deliveries."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.consent import ALL, Event, Signal


class State(StrEnum):
    """Where a message is. Twilio's words, and two of ours: refused (by our gate) and unknown (after a crash)."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    CANCELED = "canceled"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    RECEIVED = "received"


class Direction(StrEnum):
    """Who spoke: a person, a caller of the API, an answer in TwiML, or the service itself."""

    INBOUND = "inbound"
    API = "outbound-api"
    REPLY = "outbound-reply"
    SYSTEM = "outbound-system"


class FailureClass(StrEnum):
    """Why a send did not arrive, whatever the provider's own code is."""

    OPTED_OUT = "opted_out"
    BLOCKED = "blocked_by_recipient"
    UNAVAILABLE = "recipient_unavailable"
    GONE = "recipient_gone"
    INVALID_RECIPIENT = "invalid_recipient"
    ID_CHANGED = "recipient_id_changed"
    NEVER_OPTED_IN = "never_opted_in"
    OUTSIDE_WINDOW = "outside_window"
    CAPPED = "frequency_capped"
    TEMPORARILY_UNREACHABLE = "recipient_temporarily_unreachable"
    CONTENT = "content_rejected"
    SPAM = "spam_filtered"
    THROTTLED = "throttled"
    QUOTA = "quota_or_funds"
    AUTH = "auth_config"
    SENDER_RESTRICTED = "sender_restricted"
    BAD_REQUEST = "bad_request"
    TRANSIENT = "transient_provider"
    AMBIGUOUS = "ambiguous"


RETRYABLE: Final = frozenset({FailureClass.THROTTLED, FailureClass.TRANSIENT, FailureClass.TEMPORARILY_UNREACHABLE})
"""Definitely not delivered, and worth another attempt. An ambiguous outcome is never among them."""

SIGNAL_OF_FAILURE: Final[dict[FailureClass, Event]] = {
    FailureClass.OPTED_OUT: Event.REVOKE_INFERRED,
    FailureClass.BLOCKED: Event.REVOKE_BLOCK,
    FailureClass.UNAVAILABLE: Event.REACH_LOST,
    FailureClass.GONE: Event.REACH_LOST,
    FailureClass.INVALID_RECIPIENT: Event.REACH_LOST,
    FailureClass.ID_CHANGED: Event.IDENTITY_CHANGED,
}
"""What a failure says about the address; every other class says nothing."""


class Inbound(msgspec.Struct, frozen=True):
    """A message that a person sent; `text` is null if it was no text."""

    channel: Channel
    address: str
    sender_address: str | None
    text: str | None
    provider_message_id: str
    occurred_at: datetime | None = None
    media: tuple[tuple[str, str], ...] = ()
    """Pairs of URL and content type."""
    extra: tuple[tuple[str, str], ...] = ()
    """Parameters of the channel that the customer's callback repeats as they came."""
    opt_out_type: str | None = None


class StatusReport(msgspec.Struct, frozen=True):
    """What a provider says became of one of our messages."""

    status: State
    provider_message_id: str
    error_class: FailureClass | None = None
    provider_code: str | None = None
    address: str | None = None
    occurred_at: datetime | None = None
    message_sid: str | None = None
    """Our own sid, where the report was sent to an address that carries it."""


Item = Inbound | StatusReport | Signal


class Outcome(msgspec.Struct, frozen=True):
    """How a provider answered one hand-off."""

    accepted: bool
    provider_message_id: str | None = None
    error_class: FailureClass | None = None
    provider_code: str | None = None
    retry_after_s: float | None = None
    status: State = State.SENT
    """How far an accepted message has got already."""
    signal_purpose: str = ALL
    """What an opt-out that the answer reveals is about."""
