"""Every error as HTTP, in one table: RFC 9457 problems on our own routes, Twilio's envelope on Twilio's."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from consentry import logs
from consentry.kernel import errors as e

_log = logs.get("web")
PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"
_TWILIO_PATHS: Final = ("/2010-04-01",)
_MORE: Final = "https://www.twilio.com/docs/errors/"


class Known(msgspec.Struct, frozen=True):
    """The HTTP status, the problem type, and Twilio's code of an error."""

    status: int
    slug: str
    twilio: int


_TABLE: Final[dict[type[e.ConsentryError], Known]] = {
    e.Invalid: Known(400, "invalid", 20422),
    e.Unauthenticated: Known(401, "unauthenticated", 20003),
    e.BadSignature: Known(401, "bad-signature", 20003),
    e.Forbidden: Known(403, "forbidden", 20003),
    e.NotFound: Known(404, "not-found", 20404),
    e.Conflict: Known(409, "conflict", 20409),
    e.KeyInFlight: Known(409, "idempotency-key-in-flight", 20409),
    e.TooLarge: Known(413, "too-large", 20422),
    e.KeyReused: Known(422, "idempotency-key-reused", 20422),
    e.Overloaded: Known(429, "overloaded", 20429),
    e.Unavailable: Known(503, "unavailable", 20503),
    e.Unparsable: Known(400, "unparsable", 20422),
    e.PolicyInvalid: Known(500, "policy-invalid", 20500),
    e.UnsafeDatabase: Known(503, "unsafe-database", 20503),
}
_INTERNAL: Final = Known(500, "internal", 20500)
_HTTP_CODES: Final = {404: 20404, 405: 20004, 413: 20422}
_BAD_BODY: Final = Known(400, "invalid", 20422)


class TwilioError(Exception):
    """An error in Twilio's own words, for the routes that speak its contract."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


def problem(known: Known, detail: str, field: str | None = None) -> bytes:
    """Write a problem document."""
    title = HTTPStatus(known.status).phrase
    return msgspec.json.encode(Problem(f"urn:consentry:problem:{known.slug}", title, known.status, detail, field))


def envelope(status: int, code: int, message: str) -> bytes:
    """Write Twilio's error envelope."""
    body = {"code": code, "message": message, "more_info": f"{_MORE}{code}", "status": status}
    if status == HTTPStatus.UNAUTHORIZED:
        body["detail"] = "Your AccountSid or AuthToken was incorrect."
    return msgspec.json.encode(body)


def answer(error: Exception, path: str) -> tuple[int, bytes, str, dict[str, str]]:
    """Give status, body, content type and headers for whatever went wrong on a path."""
    known, detail, field = _known(error)
    if known is _INTERNAL:
        _log.error("web.internal_error", exc_info=error, extra={"path": path[:80]})
    headers: dict[str, str] = {}
    if known.status == HTTPStatus.UNAUTHORIZED and not isinstance(error, e.BadSignature):
        headers["www-authenticate"] = 'Basic realm="consentry"'
    if known.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["retry-after"] = "1"
    if path.startswith(_TWILIO_PATHS):
        if isinstance(error, TwilioError):
            return error.status, envelope(error.status, error.code, error.message), JSON, headers
        text = f"The requested resource {path} was not found" if known.status == HTTPStatus.NOT_FOUND else detail
        return known.status, envelope(known.status, known.twilio, text), JSON, headers
    return known.status, problem(known, detail, field), PROBLEM, headers


def handler(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error inside Litestar."""
    status, body, content_type, headers = answer(error, request.url.path)
    return Response(body, status_code=status, media_type=content_type, headers=headers)


HANDLERS: Final[Mapping[type[Exception], object]] = {
    HTTPException: handler,
    e.ConsentryError: handler,
    TwilioError: handler,
    UnicodeDecodeError: handler,
    RecursionError: handler,
    Exception: handler,
}


def _known(error: Exception) -> tuple[Known, str, str | None]:
    match error:
        case e.ConsentryError():
            found = (_TABLE.get(type(error), _INTERNAL), error.text, error.field)
        case TwilioError():
            found = (Known(error.status, "twilio", error.code), error.message, None)
        case UnicodeDecodeError():
            found = (_BAD_BODY, "the body is not UTF-8", None)
        case RecursionError():
            found = (_BAD_BODY, "the body is nested too deeply", None)
        case ValidationException():
            found = (_BAD_BODY, _validation_text(error), None)
        case HTTPException():
            twilio = _HTTP_CODES.get(error.status_code, 20001)
            found = (Known(error.status_code, "http", twilio), error.detail, None)
        case _:
            found = (_INTERNAL, "something went wrong here; it was logged", None)
    return found


def _validation_text(error: ValidationException) -> str:
    extra = error.extra if isinstance(error.extra, list) else []
    found = [f"{entry.get('key', 'body')}: {entry.get('message', '')}" for entry in extra if isinstance(entry, dict)]
    return "; ".join(found) or error.detail
