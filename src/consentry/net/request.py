"""Writes one call as the bytes of one HTTP/1.1 request, and refuses what could be read as two."""

import re

from consentry.kernel.calls import HttpCall
from consentry.net.failures import InvalidCall
from consentry.net.target import Target

_METHOD = re.compile(r"[A-Z]{1,20}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")
# The client alone says where a message ends and how long a connection lives.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})


def request_bytes(call: HttpCall, target: Target) -> bytes:
    """Give head and body of the request or raise `InvalidCall`, which names the header and never quotes its value."""
    if _METHOD.fullmatch(call.method) is None or call.method == "CONNECT":
        raise InvalidCall("the method is not one this client speaks")
    authority = target.authority
    lines = [
        f"{call.method} {target.path} HTTP/1.1\r\nHost: {authority.host_header}\r\nConnection: keep-alive\r\n",
    ]
    lines += [_header_line(name, value) for name, value in call.headers]
    if authority.authorization is not None:
        if any(name.lower() == "authorization" for name, _ in call.headers):
            raise InvalidCall("both the URL and the headers hold an authorization")
        lines.append(f"Authorization: {authority.authorization}\r\n")
    if call.body or call.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(call.body)}\r\n")
    lines.append("\r\n")
    head = "".join(lines).encode("latin-1")
    return b"".join((head, call.body))


def _header_line(name: str, value: str) -> str:
    if _HEADER_NAME.fullmatch(name) is None:
        raise InvalidCall("a header name is not a token")
    if _HEADER_VALUE.fullmatch(value) is None:
        raise InvalidCall(
            f"the value of header {name} has a line break, a control character or a letter beyond Latin-1"
        )
    if name.lower() in _OURS:
        raise InvalidCall(f"header {name} is set by the client")
    return f"{name}: {value}\r\n"
