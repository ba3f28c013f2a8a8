"""One signed request to a customer's server, with Twilio's connection overrides in the URL's fragment (§2.4)."""

from typing import Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

import msgspec

from consentry.kernel import signature
from consentry.kernel.calls import HttpCall, HttpReply
from consentry.kernel.urls import is_absolute_http
from consentry.net.client import HttpClient
from consentry.net.failures import (
    AddressForbidden,
    ConnectTimeout,
    DnsFailure,
    InvalidCall,
    NetError,
    ReadTimeout,
    Refused,
    TlsFailure,
)

_CONNECT_MS, _READ_MS, _TOTAL_MS = 5000, 15_000, 15_000
_LONGEST_MS: Final = 15_000
_SHORTEST_MS: Final = 100
_MOST_RETRIES: Final = 5
_MOST_HOPS: Final = 5
_RETRIEVAL, _CONNECT, _PROTOCOL, _HOST, _CERTIFICATE = 11200, 11205, 11206, 11210, 11237
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

Params = list[tuple[str, str]]


class Target(msgspec.Struct, frozen=True):
    """Where to, how, and what to sign with; `idempotency` is the same over all tries of one event."""

    url: str
    method: str
    token: str
    idempotency: str


class Fetched(msgspec.Struct, frozen=True):
    """A successful answer; `url` is where it finally came from."""

    status: int
    content_type: str
    body: bytes
    url: str


class FetchFailed(Exception):
    """No usable answer, with Twilio's error code and the HTTP status, if there was one."""

    def __init__(self, code: int, status: int | None = None) -> None:
        super().__init__(f"{code}")
        self.code = code
        self.status = status


class Overrides(msgspec.Struct, frozen=True):
    """What the fragment `#rc=2&rp=5xx,rt&ct=1000` asks for."""

    connect_ms: int = _CONNECT_MS
    read_ms: int = _READ_MS
    total_ms: int = _TOTAL_MS
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})


async def fetch(http: HttpClient, target: Target, params: Params) -> Fetched:
    """Send the callback, again as the overrides allow. Errors: FetchFailed."""
    overrides = read_overrides(urlsplit(target.url).fragment)
    for left in range(overrides.retries, -1, -1):
        try:
            return await _through_redirects(http, target, params, overrides)
        except NetError as error:
            if not left or not _retry_on(error, overrides.policy):
                raise FetchFailed(_code(error)) from error
        except FetchFailed as error:
            if not left or not _retry_status(error.status, overrides.policy):
                raise
    raise FetchFailed(_RETRIEVAL)


def read_overrides(fragment: str) -> Overrides:
    """Read the connection overrides; what is out of range is brought into it, what is unknown is left alone."""
    given = {key: values[-1] for key, values in parse_qs(fragment).items()}

    def milliseconds(key: str, default: int) -> int:
        text = given.get(key, "")
        return max(_SHORTEST_MS, min(int(text), _LONGEST_MS)) if text.isascii() and text.isdigit() else default

    retries = given.get("rc", "")
    return Overrides(
        connect_ms=min(milliseconds("ct", _CONNECT_MS), 10_000),
        read_ms=milliseconds("rt", _READ_MS),
        total_ms=milliseconds("tt", _TOTAL_MS),
        retries=min(int(retries), _MOST_RETRIES) if retries.isascii() and retries.isdigit() else 1,
        policy=frozenset(given.get("rp", "ct").split(",")),
    )


async def _through_redirects(http: HttpClient, target: Target, params: Params, overrides: Overrides) -> Fetched:
    url, method = target.url.partition("#")[0], target.method
    for _ in range(_MOST_HOPS):
        reply = await http.send(_call(url, method, target, params, overrides))
        if reply.status in _REDIRECTS and (location := reply.header("location")):
            url, method, params = _following(url, location), "GET", []
            continue
        return _fetched(reply, url)
    raise FetchFailed(_RETRIEVAL)


def _following(url: str, location: str) -> str:
    try:
        there = urljoin(url, location)
    except ValueError:
        there = ""
    if not is_absolute_http(there):
        raise FetchFailed(_RETRIEVAL)
    return there.partition("#")[0]


def _call(url: str, method: str, target: Target, params: Params, overrides: Overrides) -> HttpCall:
    body = urlencode(params, errors="surrogatepass").encode()
    pairs: list[signature.Pair] = []
    if method == "GET":
        if params:
            url += ("&" if urlsplit(url).query else "?") + body.decode()
        body = b""
    else:
        pairs = signature.form_pairs(body)
    headers = [
        ("x-twilio-signature", signature.sign(target.token, _signed_url(url), pairs)),
        ("i-twilio-idempotency-token", target.idempotency),
        ("user-agent", "TwilioProxy/1.1"),
        ("accept", "*/*"),
    ]
    if method != "GET":
        headers.append(("content-type", "application/x-www-form-urlencoded; charset=UTF-8"))
    return HttpCall(
        method=method,
        url=url,
        headers=tuple(headers),
        body=body,
        connect_timeout_s=overrides.connect_ms / 1000,
        read_timeout_s=overrides.read_ms / 1000,
        total_timeout_s=overrides.total_ms / 1000,
    )


def _signed_url(url: str) -> str:
    """Give the URL as the customer's validator sees it: no user, password or default port, and `/` for no path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    netloc = host if parts.port in {None, default} else f"{host}:{parts.port}"
    return urlunsplit(parts._replace(netloc=netloc, path=parts.path or "/", fragment=""))


def _fetched(reply: HttpReply, url: str) -> Fetched:
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - the success range of HTTP
        raise FetchFailed(_RETRIEVAL, reply.status)
    return Fetched(reply.status, reply.header("content-type") or "", reply.body, url)


def _retry_on(error: NetError, policy: frozenset[str]) -> bool:
    if isinstance(error, ReadTimeout):
        return bool(policy & {"rt", "all"})
    return isinstance(error, (ConnectTimeout, Refused)) and bool(policy & {"ct", "all"})


def _retry_status(status: int | None, policy: frozenset[str]) -> bool:
    return status is not None and bool(policy & {f"{status // 100}xx", "all"})


def _code(error: NetError) -> int:
    if isinstance(error, TlsFailure):
        return _CERTIFICATE
    if isinstance(error, (DnsFailure, AddressForbidden)):
        return _HOST
    if isinstance(error, InvalidCall):
        return _RETRIEVAL
    return _CONNECT if not error.sent or isinstance(error, ReadTimeout) else _PROTOCOL
