"""Read the TwiML that answers an inbound message: Message with Body and Media, and Redirect (twilio-contract §2.3)."""

from typing import Final
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from consentry.kernel.urls import is_absolute_http

_MOST_BYTES: Final = 65_536
_XML_TYPES: Final = ("text/xml", "application/xml", "text/html", "application/xhtml+xml")
_TOO_LARGE, _UNPARSABLE, _WRONG_SHAPE, _WRONG_TYPE, _BAD_BODY = 11750, 12100, 12200, 12300, 14103
_BAD_URL: Final = 11100


class Said(msgspec.Struct, frozen=True):
    """One message to send; without `to` and `from` it answers the person who wrote."""

    body: str
    media: tuple[str, ...] = ()
    to: str | None = None
    from_: str | None = None
    status_callback: str | None = None


class Redirected(msgspec.Struct, frozen=True):
    """Another document to fetch."""

    url: str
    method: str


class TwimlError(Exception):
    """A document that cannot be executed, with Twilio's error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def read(body: bytes, content_type: str, base_url: str) -> list[Said | Redirected]:
    """Give what a document says, in order; what stands after a Redirect is never reached. Errors: TwimlError."""
    if len(body) >= _MOST_BYTES:
        raise TwimlError(_TOO_LARGE, "the document is larger than 64 kB")
    kind = content_type.partition(";")[0].strip().lower()
    if not body.strip():
        return []
    if kind == "text/plain":
        return [Said(body.decode("utf-8", "replace").strip())]
    if kind not in _XML_TYPES:
        raise TwimlError(_WRONG_TYPE, "the answer is neither XML nor plain text")
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        raise TwimlError(_UNPARSABLE, "the document is no XML that may be read") from error
    if root.tag != "Response":
        raise TwimlError(_WRONG_SHAPE, "the document is no Response")
    return _verbs(root, base_url)


def _verbs(root: Element, base_url: str) -> list[Said | Redirected]:
    found: list[Said | Redirected] = []
    for verb in root:
        if verb.tag in {"Message", "Sms"}:
            found.append(_message(verb, base_url))
        elif verb.tag == "Redirect":
            url = _url(base_url, verb.text or "")
            method = verb.get("method", "POST").upper()
            found.append(Redirected(url, "GET" if method == "GET" else "POST"))
            break
        else:
            raise TwimlError(_WRONG_SHAPE, "the document has a verb that messaging does not know")
    return found


def _message(verb: Element, base_url: str) -> Said:
    bodies = [part.text or "" for part in verb if part.tag == "Body"]
    media = tuple(_url(base_url, part.text or "") for part in verb if part.tag == "Media")
    text = "".join(bodies) if bodies else (verb.text or "").strip()
    if not text and not media:
        raise TwimlError(_BAD_BODY, "a Message has neither Body nor Media")
    callback = verb.get("action") or verb.get("statusCallback")
    return Said(
        body=text,
        media=media,
        to=verb.get("to"),
        from_=verb.get("from"),
        status_callback=_url(base_url, callback) if callback else None,
    )


def _url(base_url: str, text: str) -> str:
    try:
        url = urljoin(base_url, text.strip())
    except ValueError:
        url = ""
    if not is_absolute_http(url):
        raise TwimlError(_BAD_URL, "the document names a URL that is none")
    return url
