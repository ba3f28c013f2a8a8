"""Twilio's request signature: what its platform sends us, and what our callbacks carry, so that its validators accept them.

base64(HMAC-SHA1(auth token, URL + every key and value, keys sorted)); a repeated key contributes each distinct value
once, sorted. A body that is no form adds `bodySHA256` to the query instead. Source: Twilio's security guide and the
validators of its SDKs.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

Pair = tuple[bytes, bytes]
_SHORT = 24
_DEFAULT_PORTS = {"http": 80, "https": 443}


def sign(token: str, url: str, pairs: Iterable[Pair] = ()) -> str:
    """Give the signature of a URL and form fields."""
    fields: dict[bytes, set[bytes]] = {}
    for key, value in pairs:
        fields.setdefault(key, set()).add(value)
    parts = [url.encode()]
    for key in sorted(fields):
        parts += [key + value for value in sorted(fields[key])]
    return base64.b64encode(hmac.digest(token.encode(), b"".join(parts), "sha1")).decode()


def matches(token: str, given: str, url: str, pairs: Sequence[Pair]) -> bool:
    """Tell whether a signature is right for a URL with or without its default port, in constant time."""
    wanted = [sign(token, candidate, pairs).encode() for candidate in _spellings(url)]
    found = given.encode("utf-8", "surrogateescape")
    return any([hmac.compare_digest(each, found) for each in wanted])  # noqa: C419 - every one is compared, always


def body_hash(body: bytes) -> str:
    """Give what a signed body that is no form carries as `bodySHA256`."""
    return hashlib.sha256(body).hexdigest()


def form_pairs(raw: bytes) -> list[Pair]:
    """Read a form into the very bytes that were signed: blanks kept, nothing decoded to text."""
    pairs = []
    for field in raw.split(b"&"):
        if field:
            key, _, value = field.partition(b"=")
            if b"%" in field or b"+" in field:
                key, value = _unquoted(key), _unquoted(value)
            pairs.append((key, value))
    return pairs


@lru_cache(maxsize=8192)
def _short(text: bytes) -> bytes:
    return unquote_to_bytes(text)


def _unquoted(text: bytes) -> bytes:
    spaced = text.replace(b"+", b" ")
    if b"%" not in spaced:
        return spaced
    # Addresses come again and again; the words of a message do not, and must not fill the cache.
    return _short(spaced) if len(spaced) <= _SHORT else unquote_to_bytes(spaced)


def _spellings(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = _DEFAULT_PORTS.get(parts.scheme)
    if port is None or parts.port not in {None, port}:
        return [url]
    return [url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}"))]
