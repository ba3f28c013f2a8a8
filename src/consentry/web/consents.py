"""Record consent, check it, and read its history: `/v1/consents`."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, JSONBody

from consentry.flows import consents
from consentry.flows.consents import Ask, Check, Kept
from consentry.flows.idempotent import Answer, once
from consentry.kernel.address import InvalidAddress, parse_recipient
from consentry.kernel.consent import ALL, parse_purpose
from consentry.kernel.directory import Principal, Scope
from consentry.kernel.errors import ConsentryError, Invalid, TooLarge
from consentry.rules.gate import SenderFacts
from consentry.store.database import Connection
from consentry.web import views
from consentry.web.auth import require
from consentry.web.problems import JSON
from consentry.web.services import Caller, Given, Services

MOST: Final = 10_000
_BULK_BYTES: Final = 32 * 1024 * 1024
_Request = Request[Any, Any, Any]


class NewConsent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fact to record. `event` is a word of the vocabulary such as grant.explicit or revoke.preference."""

    address: str
    event: str
    purpose: str = ALL
    sender: str = ALL
    source: str = "api"
    occurred_at: datetime | None = None
    evidence: Any = None

    def ask(self) -> Ask:
        """Give it to the flow. Errors: Invalid for an instant that no calendar in UTC has."""
        try:
            at = self.occurred_at and (
                self.occurred_at.astimezone(UTC) if self.occurred_at.tzinfo else self.occurred_at
            )
        except OverflowError as error:
            raise Invalid("occurred_at is out of range", field="occurred_at") from error
        return Ask(self.address, self.event, self.purpose, self.sender, self.source, at, self.evidence)


class NewConsents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to 10,000 facts; each has its own result."""

    items: list[dict[str, Any]]


class Recorded(msgspec.Struct, frozen=True):
    """The record, and how its address stands after it."""

    record: views.RecordView
    state: views.StateView


class _Versioned(msgspec.Struct, frozen=True):
    version: int


class _Answered(msgspec.Struct, frozen=True):
    state: _Versioned


class ItemError(msgspec.Struct, frozen=True):
    """Why one item was not taken."""

    detail: str
    field: str | None


class RecordedItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one item, in the order given."""

    status: int
    record: views.RecordView | None = None
    error: ItemError | None = None


class RecordedItems(msgspec.Struct, frozen=True):
    """Results in the order given."""

    items: list[RecordedItem]
    recorded: int
    failed: int


class CheckItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """May this sender write this to this address now? Without a sender: may any?"""

    address: str
    purpose: str = "marketing"
    sender: str = ALL


class CheckRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question, or up to 10,000 in `items`."""

    address: str | None = None
    purpose: str = "marketing"
    sender: str = ALL
    items: list[CheckItem] | None = None


class History(msgspec.Struct, frozen=True):
    """How an address stands, and every record behind it, oldest first."""

    address: str
    state: views.StateView
    history: list[views.RecordView]


@post("/", status_code=201, request_max_body_size=1_048_576)
async def record_consent(
    request: _Request, services: Given, principal: Caller, data: JSONBody[NewConsent]
) -> Response[Recorded] | Response[bytes]:
    """Record one fact; an opt-out is in force when this answers."""
    require(principal, Scope.CONSENT)
    key = request.headers.get("idempotency-key")
    if key is None:
        return Response(_recorded(await consents.record(services.ports, principal, data.ask())), status_code=201)
    fact = consents.fact_of(services.ports, principal, data.ask())

    async def work(connection: Connection) -> Answer:
        kept = await consents.record_in(services.ports, connection, principal, fact)
        return Answer(201, msgspec.json.encode(_recorded(kept)), JSON)

    account_id = principal.account.account_id
    answer = await once(services.ports, account_id, "v1.consents", key, await request.body(), work)
    # Also for a repeated request: its first answer may never have left.
    version = msgspec.json.decode(answer.body, type=_Answered).state.version
    await consents.in_force(services.ports, principal, fact, version)
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type, headers=headers)


@post("/bulk", status_code=200, request_max_body_size=_BULK_BYTES)
async def record_consents(services: Given, principal: Caller, data: JSONBody[NewConsents]) -> RecordedItems:
    """Record many facts; a bad one does not hold up the others."""
    require(principal, Scope.CONSENT)
    _limit(len(data.items))
    read = [_read_item(item) for item in data.items]
    good = [ask for ask in read if isinstance(ask, Ask)]
    done = iter(await consents.record_many(services.ports, principal, good))
    items = [_item(next(done) if isinstance(ask, Ask) else ask) for ask in read]
    failed = sum(item.error is not None for item in items)
    return RecordedItems(items, len(items) - failed, failed)


@post("/check", status_code=200, request_max_body_size=_BULK_BYTES)
async def check_consent(services: Given, principal: Caller, data: JSONBody[CheckRequest]) -> Response[bytes]:
    """Ask the gate without sending: a decision with all its reasons, for one address or for many."""
    require(principal, Scope.READ)
    return Response(await check(services, principal, data), media_type=JSON)


@get("/{address:str}")
async def read_consent(services: Given, principal: Caller, address: FromPath[str]) -> History:
    """Give how an address stands in every scope, and its history."""
    require(principal, Scope.READ)
    try:
        found = parse_recipient(address)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error
    head, now, records = await consents.history(services.ports, principal.account.account_id, found)
    return History(found.text, views.state(found.text, head, now), [views.record(entry) for entry in records])


router = Router(
    path="/v1/consents",
    tags=["consents"],
    route_handlers=[record_consent, record_consents, check_consent, read_consent],
)


async def check(services: Services, principal: Principal, data: CheckRequest) -> bytes:
    """Answer a check: the fast lane and the ordinary one end here."""
    if data.items is None:
        if data.address is None:
            raise Invalid("give an address, or items", field="address")
        wanted = _question(services, principal, CheckItem(data.address, data.purpose, data.sender))
        return msgspec.json.encode(views.decision(await services.checker.one(wanted)))
    _limit(len(data.items))
    asked = [_question_or_error(services, principal, item) for item in data.items]
    answers = iter(await services.checker.many([c for c in asked if isinstance(c, Check)]))
    items = [
        views.decision(next(answers))
        if isinstance(c, Check)
        else {"allowed": False, "error": ItemError(c.text, c.field)}
        for c in asked
    ]
    return msgspec.json.encode({"items": items})


def _question(services: Services, principal: Principal, item: CheckItem) -> Check:
    try:
        to = parse_recipient(item.address)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error
    purpose = parse_purpose(item.purpose, allow_all=False)
    if item.sender == ALL:
        return Check(principal.account.account_id, to, SenderFacts(sid=ALL, channel=to.channel), purpose)
    sender = consents.sender_of(services.ports, principal, item.sender)
    if sender.channel is not to.channel:
        raise Invalid(f"the sender is on {sender.channel}, the address on {to.channel}", field="sender")
    return Check(principal.account.account_id, to, services.ports.facts(sender), purpose)


def _question_or_error(services: Services, principal: Principal, item: CheckItem) -> Check | ConsentryError:
    try:
        return _question(services, principal, item)
    except ConsentryError as error:
        return error


def _read_item(item: dict[str, Any]) -> Ask | ConsentryError:
    try:
        return msgspec.convert(item, NewConsent).ask()
    except ConsentryError as error:
        return error
    except msgspec.ValidationError as error:
        return Invalid(str(error))


def _item(done: Kept | ConsentryError) -> RecordedItem:
    if isinstance(done, ConsentryError):
        return RecordedItem(400, error=ItemError(done.text, done.field))
    return RecordedItem(201, record=views.record(done.record))


def _recorded(kept: Kept) -> Recorded:
    found = kept.record
    return Recorded(views.record(found), views.state(kept.address.text, kept.head, found.recorded_at))


def _limit(count: int) -> None:
    if count > MOST:
        raise TooLarge(f"{count} items are too many; send at most {MOST} at a time", field="items")
