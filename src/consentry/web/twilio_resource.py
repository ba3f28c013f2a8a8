"""The Message resource as Twilio writes it (twilio-contract §1.3)."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from consentry.flows.accept import Accepted
from consentry.flows.announce import message_sid, word
from consentry.kernel.message import State
from consentry.store.rows import MessageRow

API: Final = "2010-04-01"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_encode = msgspec.json.Encoder().encode


class Links(msgspec.Struct, frozen=True):
    """Where the parts of a message are."""

    media: str
    feedback: str


class Resource(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One message; counts and prices are strings there."""

    account_sid: str
    api_version: str
    body: str
    date_created: str
    date_sent: str | None
    date_updated: str
    direction: str
    error_code: int | None
    error_message: str | None
    from_: str | None
    messaging_service_sid: str | None
    num_media: str
    num_segments: str
    price: str | None
    price_unit: str
    sid: str
    status: str
    subresource_uris: Links
    to: str
    uri: str


def of_accepted(accepted: Accepted) -> bytes:
    """Write a message that was just accepted."""
    draft = accepted.draft
    created = rfc2822(accepted.created_at)
    return _encode(
        _resource(
            account_sid=draft.sender.account_sid,
            sid=accepted.sid,
            body=draft.body,
            from_=draft.sender.address,
            to=draft.to.text,
            direction=draft.direction,
            status=accepted.status,
            segments=accepted.num_segments,
            media=len(draft.media),
            created=created,
            updated=created,
        )
    )


def of_row(row: MessageRow, account_sid: str) -> Resource:
    """Write a stored message."""
    media = len(msgspec.json.decode(row.media, type=list[str])) if row.media else 0
    return _resource(
        account_sid=account_sid,
        sid=message_sid(row.message_id, has_media=row.media is not None),
        body=row.body,
        from_=row.from_address,
        to=row.to_address,
        direction="outbound-api" if row.direction == "outbound-system" else row.direction,
        status=word(State(row.status)),
        segments=row.num_segments,
        media=media,
        created=rfc2822(row.created_at),
        updated=rfc2822(row.updated_at),
        sent=None if row.sent_at is None else rfc2822(row.sent_at),
        error_code=row.error_code,
        error_message=row.error_message,
    )


def rfc2822(instant: datetime) -> str:
    """Write an instant as the SDKs read it: they assume GMT."""
    return _written(int(instant.timestamp()))


@lru_cache(maxsize=1024)
def _written(second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d} "
        f"{at.hour:02d}:{at.minute:02d}:{at.second:02d} +0000"
    )


def _resource(
    *,
    account_sid: str,
    sid: str,
    body: str,
    from_: str | None,
    to: str,
    direction: str,
    status: str,
    segments: int,
    media: int,
    created: str,
    updated: str,
    sent: str | None = None,
    error_code: int | None = None,
    error_message: str | None = None,
) -> Resource:
    path = f"/{API}/Accounts/{account_sid}/Messages/{sid}"
    return Resource(
        account_sid=account_sid,
        api_version=API,
        body=body,
        date_created=created,
        date_sent=sent,
        date_updated=updated,
        direction=direction,
        error_code=error_code,
        error_message=error_message,
        from_=from_,
        messaging_service_sid=None,
        num_media=str(media),
        num_segments=str(segments),
        price=None,
        price_unit="USD",
        sid=sid,
        status=status,
        subresource_uris=Links(f"{path}/Media.json", f"{path}/Feedback.json"),
        to=to,
        uri=f"{path}.json",
    )
