"""Reads a URL once, strictly, into what is connected to and what is written in the request line.

There is one reading: the host that is resolved, checked, put in SNI and in `Host` is the same string, so a URL that two
readers could take differently (backslashes, two at-signs, blanks, an empty port) is refused instead of guessed at.
"""

import base64
import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

import idna

from consentry.net.failures import InvalidUrl

# Authority, then path and query. A backslash, a blank, a control character or half a surrogate pair makes no match.
_NOT = r"\x00-\x20\x7f\ud800-\udfff"
_URL = re.compile(rf"(https?://[^/?#\\{_NOT}]+)([^#\\{_NOT}]*)(?:#[^{_NOT}]*)?", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\[\]:]+))(?::([0-9]{1,5}))?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_NAME = 253
_MAX_PORT = 65_535
_ALL_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Origin(NamedTuple):
    """What a connection is for, and the key of the pool."""

    secure: bool
    host: str
    port: int

    def __str__(self) -> str:
        """Give host and port, for messages."""
        return f"{self.host}:{self.port}"


class Authority(NamedTuple):
    """The part of a URL before its path."""

    origin: Origin
    host_header: str
    authorization: str | None


class Target(NamedTuple):
    """A whole URL, ready for use; the fragment and the userinfo are gone."""

    authority: Authority
    path: str


def read_url(url: str) -> Target:
    """Read an absolute http or https URL or raise `InvalidUrl`, which never quotes it."""
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidUrl("not an absolute http or https URL, or it holds a blank, a control character or a backslash")
    start, path = match.groups()
    if not path.isascii():
        path = quote(path, safe=_ALL_PRINTABLE)
    return Target(_read_authority(start), path if path.startswith("/") else f"/{path}")


@lru_cache(maxsize=1_024)  # a service talks to few origins, and reading one costs more than the rest of a request head
def _read_authority(start: str) -> Authority:
    scheme, _, rest = start.partition("://")
    secure = scheme.lower() == "https"
    userinfo, at, place = rest.rpartition("@")
    match = _HOST_AND_PORT.fullmatch(place)
    if match is None or "@" in userinfo:
        raise InvalidUrl("the URL has no readable host and port")
    literal, name, digits = match.groups()
    host = _literal(literal) if literal else _name(name)
    default = 443 if secure else 80
    port = int(digits) if digits else default
    if not 1 <= port <= _MAX_PORT:
        raise InvalidUrl("the port of the URL is out of range")
    bare = f"[{host}]" if literal else host
    return Authority(
        origin=Origin(secure, host, port),
        host_header=bare if port == default else f"{bare}:{port}",
        authorization=_basic(userinfo) if at else None,
    )


def _literal(text: str) -> str:
    try:
        return IPv6Address(text).compressed
    except ValueError:
        raise InvalidUrl("the URL has brackets without an IPv6 address in them") from None


def _name(text: str) -> str:
    host = text
    if not host.isascii():
        try:
            # UTS 46 also folds full-width digits and ideographic stops, so what follows sees the plain spelling.
            host = idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
        except UnicodeError:
            raise InvalidUrl("the host of the URL is not a name that IDNA allows") from None
    host = host.lower()
    if len(host) > _MAX_NAME or _NAME.fullmatch(host) is None:
        raise InvalidUrl("the host of the URL is not a host name")
    return host


def _basic(userinfo: str) -> str:
    user, _, password = userinfo.partition(":")
    name = unquote_to_bytes(user)
    if b":" in name:
        raise InvalidUrl("the user name in the URL has a colon in it")
    return "Basic " + base64.b64encode(name + b":" + unquote_to_bytes(password)).decode("ascii")
