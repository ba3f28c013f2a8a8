"""The Messages resource of Twilio's 2010-04-01 API: create, fetch, list, update, delete."""

import datetime as dt
import re
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.params import FromPath

from consentry.flows import inquire
from consentry.kernel.address import InvalidAddress, parse_sender
from consentry.kernel.directory import Principal, Scope
from consentry.kernel.errors import NotFound
from consentry.kernel.ids import from_sid
from consentry.rules.delivery import FINAL
from consentry.store.messages import NEWEST, Filter
from consentry.web.auth import require
from consentry.web.problems import JSON, TwilioError
from consentry.web.services import Caller, Given
from consentry.web.twilio_create import Form, create
from consentry.web.twilio_resource import API, of_row

_PAGE, _LARGEST_PAGE = 50, 1000
_LONGEST_NUMBER: Final = 9
_YEARS: Final = range(1970, 9000)
_DAY: Final = dt.timedelta(days=1)
_TOKEN = re.compile(r"PA(SM|MM)[0-9a-f]{32}")
_FORMATS: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z", "%a, %d %b %Y %H:%M:%S %z", "%m/%d/%Y")
_Request = Request[Any, Any, Any]


@post("/{account_sid:str}/Messages.json", status_code=201)
async def create_message(
    account_sid: FromPath[str], request: _Request, services: Given, principal: Caller
) -> Response[bytes]:
    """Create a message."""
    key = request.headers.get("idempotency-key")
    answer = await create(services, principal, account_sid, await request.body(), key)
    headers = {"idempotent-replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type, headers=headers)


@get("/{account_sid:str}/Messages.json")
async def list_messages(
    account_sid: FromPath[str], request: _Request, services: Given, principal: Caller
) -> Response[bytes]:
    """List messages, newest first."""
    _own(principal, account_sid, Scope.READ)
    query = {key: values[-1] for key, values in request.query_params.dict().items()}
    size = _size(query.get("PageSize"))
    rows = await inquire.messages(services.ports, principal.account.account_id, _filter(query, size + 1))
    shown = rows[:size]
    page = _number(query.get("Page")) or 0
    path = f"/{API}/Accounts/{account_sid}/Messages.json"
    kept = {k: v for k, v in query.items() if k not in {"Page", "PageToken", "PageSize"}}

    def uri(number: int, token: str | None) -> str:
        fields = {**kept, "PageSize": str(size), "Page": str(number)} | ({"PageToken": token} if token else {})
        return f"{path}?{urlencode(fields, quote_via=quote)}"

    following = f"PASM{shown[-1].message_id.hex()}" if len(rows) > size else None
    body = {
        "messages": [of_row(row, account_sid) for row in shown],
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(shown) - 1, 0),
        "uri": uri(page, query.get("PageToken")),
        "first_page_uri": uri(0, None),
        "previous_page_uri": None,
        "next_page_uri": uri(page + 1, following) if following else None,
    }
    return Response(msgspec.json.encode(body), media_type=JSON)


@get("/{account_sid:str}/Messages/{name:str}")
async def fetch_message(
    account_sid: FromPath[str], name: FromPath[str], services: Given, principal: Caller
) -> Response[bytes]:
    """Fetch a message."""
    _own(principal, account_sid, Scope.READ)
    row = await inquire.message(services.ports, principal.account.account_id, _id(name))
    return Response(msgspec.json.encode(of_row(row, account_sid)), media_type=JSON)


@post("/{account_sid:str}/Messages/{name:str}", status_code=200)
async def update_message(
    account_sid: FromPath[str], name: FromPath[str], request: _Request, services: Given, principal: Caller
) -> Response[bytes]:
    """Cancel a message that waits (`Status=canceled`), or take the words out of a finished one (`Body=`)."""
    _own(principal, account_sid, Scope.SEND)
    form, message_id = Form(await request.body()), _id(name)
    account_id = principal.account.account_id
    row = await inquire.message(services.ports, account_id, message_id)
    if form.get("Status") is not None:
        if form.get("Status") != "canceled" or not await inquire.cancel(services.ports, account_id, message_id):
            raise TwilioError(400, 30409, "This message cannot be canceled")
    elif form.get("Body") is not None:
        if form.get("Body"):
            raise TwilioError(400, 20422, "Body can only be emptied: it takes the words out of the message")
        if row.status not in FINAL and row.status not in {"sent", "received"}:
            raise TwilioError(400, 20009, "The message cannot be redacted before it is complete")
        await inquire.redact(services.ports, account_id, message_id)
    row = await inquire.message(services.ports, account_id, message_id)
    return Response(msgspec.json.encode(of_row(row, account_sid)), media_type=JSON)


@delete("/{account_sid:str}/Messages/{name:str}", status_code=204)
async def delete_message(account_sid: FromPath[str], name: FromPath[str], services: Given, principal: Caller) -> None:
    """Delete a finished message."""
    _own(principal, account_sid, Scope.SEND)
    account_id, message_id = principal.account.account_id, _id(name)
    row = await inquire.message(services.ports, account_id, message_id)
    if row.status not in FINAL and row.status not in {"sent", "received", "unknown"}:
        raise TwilioError(409, 20009, "The message cannot be deleted before it is complete")
    await inquire.delete(services.ports, account_id, message_id)


router = Router(
    path=f"/{API}/Accounts",
    route_handlers=[create_message, list_messages, fetch_message, update_message, delete_message],
    include_in_schema=False,
    request_max_body_size=262_144,
)


def _own(principal: Principal, account_sid: str, scope: Scope) -> None:
    require(principal, scope)
    if account_sid != principal.account.sid:
        raise NotFound("no such account")


def _id(name: str) -> bytes:
    return from_sid(name.removesuffix(".json"), "SM", "MM")


def _size(text: str | None) -> int:
    if not text:
        return _PAGE
    size = _number(text)
    if not size:
        raise TwilioError(400, 20422, "PageSize must be a number from 1 to 1000")
    return min(size, _LARGEST_PAGE)


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdigit() else None


def _filter(query: dict[str, str], limit: int) -> Filter:
    token = query.get("PageToken")
    if token and not _TOKEN.fullmatch(token):
        raise TwilioError(400, 20422, "PageToken is not one of ours")
    since, until = _at(query.get("DateSent>")), _at(query.get("DateSent<"))
    on = _at(query.get("DateSent"))
    if on is not None:
        since = on.replace(hour=0, minute=0, second=0)
        until = since + _DAY
    return Filter(
        before=bytes.fromhex(token[4:]) if token else NEWEST,
        to=_canonical(query.get("To")),
        from_=_canonical(query.get("From")),
        since=since,
        until=until,
        limit=limit,
    )


def _canonical(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return parse_sender(text).text
    except InvalidAddress:
        return text.replace("\0", "")


def _at(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    for form in _FORMATS:
        try:
            found = dt.datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set in the next line
        except ValueError:
            continue
        if found.year in _YEARS:
            return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    raise TwilioError(400, 20422, f"DateSent {text[:30]} is not a date; use 2026-01-31 or 2026-01-31T12:00:00Z")
