"""A fast lane for the hot routes: create a message, check one address. It stands before the framework.

It takes only what is plain (a known Authorization header, an ordinary body) and calls the very functions that the
ordinary handlers call; everything else falls through to them, so that there is one behaviour and two speeds. Measured
in reference to the framework's own handling, see `tests/bench`.
"""

import re
from typing import Any, Final

import msgspec

from consentry.kernel.errors import ConsentryError
from consentry.web.consents import CheckRequest, check
from consentry.web.messages import NewMessage, send
from consentry.web.problems import JSON, TwilioError, answer
from consentry.web.services import Services
from consentry.web.twilio_create import create

_TWILIO = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/Messages\.json")
_MOST_BYTES: Final = 65_536
_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final = b"application/json"
_message_decoder = msgspec.json.Decoder(NewMessage)
_check_decoder = msgspec.json.Decoder(CheckRequest)

_MESSAGES: Final = "/v1/messages"
_CHECK: Final = "/v1/consents/check"
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect"})

Scope = dict[str, Any]
_Served = tuple[int, bytes, str, dict[str, str]]


class FastLane:
    """ASGI in front of ASGI."""

    def __init__(self, slow: Any, services: Services) -> None:
        self._slow = slow
        self._services = services

    async def __call__(self, scope: Scope, receive: Any, send_event: Any) -> None:
        """Serve a hot route, or pass on."""
        hot = _hot(scope)
        if hot is None:
            await self._slow(scope, receive, send_event)
            return
        body, then = await _body(receive)
        if then is None:
            served = await self._serve(hot, scope["path"], body)
            if served is not None:
                await _respond(send_event, *served)
                return
        await self._slow(scope, _replay(body, then, receive), send_event)

    async def _serve(self, hot: "_Hot", path: str, body: bytes) -> _Served | None:
        """Give the answer; None if the body needs the ordinary handler's words to say what is wrong with it."""
        try:
            principal = self._services.authenticator.principal(hot.authorization)
            if path == _CHECK:
                return 200, await check(self._services, principal, _check_decoder.decode(body)), JSON, {}
            if path == _MESSAGES:
                done = await send(self._services, principal, _message_decoder.decode(body), hot.key, body)
            else:
                done = await create(self._services, principal, hot.account_sid, body, hot.key)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        except (ConsentryError, TwilioError) as error:
            return answer(error, path)
        return done.status, done.body, done.content_type, {"idempotent-replayed": "true"} if done.replayed else {}


class _Hot(msgspec.Struct, frozen=True):
    authorization: bytes | None
    key: str | None
    account_sid: str = ""


def _hot(scope: Scope) -> _Hot | None:
    """Give what a hot route needs of the head of a request, or None if the request is not a plain one."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path = scope["path"]
    account_sid = ""
    if path not in {_MESSAGES, _CHECK}:
        match = _TWILIO.fullmatch(path)
        if match is None:
            return None
        account_sid = match.group(1)
    return _head(scope["headers"], _FORM if account_sid else _JSON, account_sid)


def _head(headers: list[tuple[bytes, bytes]], wanted: bytes, account_sid: str) -> _Hot | None:
    authorization, key, plain = None, None, False
    for name, value in headers:
        if name == b"authorization":
            authorization = value
        elif name == b"content-type":
            plain = value.partition(b";")[0].strip().lower() == wanted
        elif name == b"idempotency-key":
            key = value.decode("latin-1")
        elif name == b"content-length":
            if not value.isdigit() or int(value) > _MOST_BYTES:
                return None
        elif name in _NOT_PLAIN:
            return None
    return _Hot(authorization, key, account_sid) if plain else None


async def _body(receive: Any) -> tuple[bytes, Any]:
    """Give the body, and the event that came in place of the rest of it, if one did."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return body, event
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body, None


def _replay(body: bytes, then: Any, receive: Any) -> Any:
    events = [{"type": "http.request", "body": body, "more_body": then is not None}]
    if then is not None:
        events.append(then)

    async def again() -> Any:
        return events.pop(0) if events else await receive()

    return again


async def _respond(send_event: Any, status: int, body: bytes, kind: str, extra: dict[str, str]) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in extra.items()]
    await send_event({"type": "http.response.start", "status": status, "headers": headers})
    await send_event({"type": "http.response.body", "body": body})
