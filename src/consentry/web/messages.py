"""Send messages over our own JSON API: one or up to 10,000, each with its own decision."""

from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, JSONBody

from consentry.flows import inquire
from consentry.flows.accept import DEFAULT_VALIDITY_S, Accepted, Draft
from consentry.flows.announce import message_sid
from consentry.flows.idempotent import Answer, once
from consentry.kernel.address import InvalidAddress, parse_recipient, parse_sender
from consentry.kernel.consent import parse_purpose
from consentry.kernel.decision import Decision
from consentry.kernel.directory import Principal, Scope, Sender
from consentry.kernel.errors import ConsentryError, Invalid, TooLarge
from consentry.kernel.ids import from_sid
from consentry.kernel.urls import is_absolute_http
from consentry.store.database import Connection
from consentry.store.rows import AttemptRow, MessageRow
from consentry.web import views
from consentry.web.auth import require
from consentry.web.consents import ItemError
from consentry.web.problems import JSON, PROBLEM
from consentry.web.services import Caller, Given, Services

MOST: Final = 10_000
_BULK_BYTES: Final = 32 * 1024 * 1024
_LONGEST_BODY: Final = 1600
_Request = Request[Any, Any, Any]


class NewMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One message. `from` is an address or the XE sid of a sender; `purpose` says what it is for."""

    to: str
    from_: str
    body: str
    purpose: str | None = None
    media_urls: tuple[str, ...] = ()
    status_callback: str | None = None
    validity_s: int = DEFAULT_VALIDITY_S


class NewMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 10,000 messages; each has its own result."""

    items: list[NewMessage]


class MessageView(msgspec.Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}):
    """One message as it stands."""

    sid: str
    status: str
    to: str
    from_: str
    purpose: str
    code: int | None = None
    decision: views.DecisionView | None = None


class ItemView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one item of a bulk request, in the order given."""

    status: str
    sid: str | None = None
    code: int | None = None
    reasons: tuple[str, ...] = ()
    error: ItemError | None = None


class ItemsView(msgspec.Struct, frozen=True):
    """Results in the order given."""

    items: list[ItemView]
    accepted: int
    refused: int
    invalid: int


class Refused(msgspec.Struct, frozen=True):
    """RFC 9457: the gate said no. `code` is Twilio's; `decision` has every reason."""

    type: str
    title: str
    status: int
    detail: str
    code: int
    sid: str
    decision: views.DecisionView


@post("/", status_code=201, request_max_body_size=262_144)
async def send_message(
    request: _Request, services: Given, principal: Caller, data: JSONBody[NewMessage]
) -> Response[bytes]:
    """Send one message: 201 when it is durably accepted, 403 with the decision when the gate says no."""
    answer = await send(services, principal, data, request.headers.get("idempotency-key"), await request.body())
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type, headers=headers)


@post("/bulk", status_code=200, request_max_body_size=_BULK_BYTES)
async def send_messages(services: Given, principal: Caller, data: JSONBody[NewMessages]) -> Response[bytes]:
    """Send many messages; each is decided on its own."""
    require(principal, Scope.SEND)
    if len(data.items) > MOST:
        raise TooLarge(f"{len(data.items)} items are too many; send at most {MOST} at a time", field="items")
    read = [_draft_or_error(services, principal, item) for item in data.items]
    done = iter(await services.acceptor.accept_all([draft for draft in read if isinstance(draft, Draft)]))
    items = [_item(next(done) if isinstance(draft, Draft) else draft) for draft in read]
    invalid = sum(item.error is not None for item in items)
    refused = sum(item.code is not None for item in items)
    return Response(
        msgspec.json.encode(ItemsView(items, len(items) - invalid - refused, refused, invalid)), media_type=JSON
    )


class AttemptView(msgspec.Struct, frozen=True):
    """One hand-off of a message."""

    number: int
    state: str
    started_at: str
    provider_message_id: str | None
    error_class: str | None
    provider_code: str | None
    decision: views.DecisionView


class MessageDetail(msgspec.Struct, frozen=True):
    """One message with the decision made at accept and every hand-off."""

    message: MessageView
    attempts: list[AttemptView]


@get("/{sid:str}")
async def read_message(services: Given, principal: Caller, sid: FromPath[str]) -> MessageDetail:
    """Give a message, why it was accepted or refused, and what became of each hand-off."""
    require(principal, Scope.READ)
    row = await inquire.message(services.ports, principal.account.account_id, from_sid(sid, "SM", "MM"))
    attempts = await inquire.attempts(services.ports, row.message_id)
    return MessageDetail(_of_row(row), [_attempt(entry) for entry in attempts])


router = Router(path="/v1/messages", tags=["messages"], route_handlers=[send_message, send_messages, read_message])


async def send(services: Services, principal: Principal, data: NewMessage, key: str | None, raw: bytes) -> Answer:
    """Accept one message: the fast lane and the ordinary one end here."""
    require(principal, Scope.SEND)
    draft = draft_of(services, principal, data)
    if key is None:
        return _answer(await services.acceptor.submit(draft))

    async def work(connection: Connection) -> Answer:
        accepted = await services.acceptor.within(connection, [draft])
        return _answer(accepted[0])

    answer = await once(services.ports, principal.account.account_id, "v1.messages", key, raw, work)
    services.ports.wake()
    return answer


def draft_of(services: Services, principal: Principal, data: NewMessage) -> Draft:
    """Read a message. Errors: Invalid names the field."""
    sender = _sender(services, principal, data.from_)
    try:
        to = parse_recipient(data.to, channel=None if ":" in data.to else sender.channel)
    except InvalidAddress as error:
        raise Invalid(str(error), field="to") from error
    if to.channel is not sender.channel:
        raise Invalid(f"to is on {to.channel}, from on {sender.channel}; use addresses of one channel", field="to")
    if (not data.body and not data.media_urls) or len(data.body) > _LONGEST_BODY or "\0" in data.body:
        raise Invalid(f"body must have 1 to {_LONGEST_BODY} characters and no NUL", field="body")
    if not 1 <= data.validity_s <= DEFAULT_VALIDITY_S:
        raise Invalid(f"validity_s must be from 1 to {DEFAULT_VALIDITY_S}", field="validity_s")
    for field, url in (("status_callback", data.status_callback), *(("media_urls", url) for url in data.media_urls)):
        if url is not None and not is_absolute_http(url):
            raise Invalid(f"{field} must be an absolute http or https URL", field=field)
    purpose = services.ports.policy.default_category
    if data.purpose is not None:
        purpose = parse_purpose(data.purpose, allow_all=False)
    return Draft(
        sender=sender,
        to=to,
        body=data.body,
        purpose=purpose,
        media=data.media_urls,
        status_callback=data.status_callback,
        validity_s=data.validity_s,
    )


def _sender(services: Services, principal: Principal, text: str) -> Sender:
    directory, account_id = services.ports.directory, principal.account.account_id
    found = directory.sender_by_sid(text) if text.startswith("XE") else None
    if found is None:
        try:
            address = parse_sender(text)
        except InvalidAddress as error:
            raise Invalid(str(error), field="from") from error
        found = directory.sender_by_address(account_id, address.channel.value, address.text)
    if found is None or found.account_id != account_id:
        raise Invalid(f"from {text[:40]!r} is not a sender of this account", field="from")
    return found


def _answer(accepted: Accepted) -> Answer:
    decided = views.decision(accepted.decision)
    if accepted.refused and accepted.error_code is not None:
        refused = Refused(
            type="urn:consentry:problem:refused",
            title="Refused by the consent gate",
            status=403,
            detail="; ".join(reason.text for reason in accepted.decision.reasons),
            code=accepted.error_code,
            sid=accepted.sid,
            decision=decided,
        )
        return Answer(403, msgspec.json.encode(refused), PROBLEM)
    draft = accepted.draft
    view = MessageView(
        accepted.sid, accepted.status.value, draft.to.text, draft.sender.address, draft.purpose, decision=decided
    )
    return Answer(201, msgspec.json.encode(view), JSON)


def _draft_or_error(services: Services, principal: Principal, item: NewMessage) -> Draft | ConsentryError:
    try:
        return draft_of(services, principal, item)
    except ConsentryError as error:
        return error


def _item(done: Accepted | ConsentryError) -> ItemView:
    if isinstance(done, ConsentryError):
        return ItemView("invalid", error=ItemError(done.text, done.field))
    reasons = tuple(reason.code.value for reason in done.decision.reasons)
    return ItemView(done.status.value, done.sid, done.error_code, reasons)


def _of_row(row: MessageRow) -> MessageView:
    decided = views.decision(msgspec.json.decode(row.decision, type=Decision)) if row.decision else None
    return MessageView(
        sid=message_sid(row.message_id, has_media=row.media is not None),
        status=row.status,
        to=row.to_address,
        from_=row.from_address,
        purpose=row.purpose,
        code=row.error_code,
        decision=decided,
    )


def _attempt(row: AttemptRow) -> AttemptView:
    return AttemptView(
        number=row.attempt_no,
        state=row.state,
        started_at=row.started_at.isoformat(),
        provider_message_id=row.provider_message_id,
        error_class=row.error_class,
        provider_code=row.provider_code,
        decision=views.decision(msgspec.json.decode(row.decision, type=Decision)),
    )
