"""Create a Message: Twilio's parameters and checks, in its words (twilio-contract §1.2, §1.6)."""

from typing import Final

from consentry.flows.accept import DEFAULT_VALIDITY_S, Accepted, Draft
from consentry.flows.idempotent import Answer, once
from consentry.kernel import signature
from consentry.kernel.address import Address, InvalidAddress, parse_recipient, parse_sender
from consentry.kernel.consent import Category
from consentry.kernel.directory import Principal, Scope, Sender
from consentry.kernel.errors import NotFound
from consentry.kernel.urls import is_absolute_http
from consentry.store.database import Connection
from consentry.web.auth import require
from consentry.web.problems import JSON, TwilioError, envelope
from consentry.web.services import Services
from consentry.web.twilio_resource import of_accepted

_PLAIN: Final = frozenset({b"To", b"From", b"Body"})
_LONGEST_BODY: Final = 1600
_MOST_MEDIA: Final = 10
_LONGEST_NUMBER: Final = 9
_INTENTS: Final = {
    "otp": Category.OTP,
    "confirm": Category.TRANSACTIONAL,
    "notifications": Category.TRANSACTIONAL,
    "fraud": Category.TRANSACTIONAL,
    "security": Category.TRANSACTIONAL,
    "marketing": Category.MARKETING,
    "customercare": Category.SERVICE,
    "delivery": Category.SERVICE,
    "education": Category.INFORMATIONAL,
    "announcements": Category.INFORMATIONAL,
    "events": Category.INFORMATIONAL,
    "polling": Category.SURVEY,
}
"""MessageIntent says what a message is for; what is not said is judged as policy presumes."""


class Form:
    """A decoded form: the last word of a name, or all of them. Blank values are kept, they mean something."""

    def __init__(self, raw: bytes) -> None:
        self._pairs = signature.form_pairs(raw)
        self._last = dict(self._pairs)
        self.plain = self._last.keys() <= _PLAIN
        """Whether it holds no more than who, to whom and what: then nothing else needs to be looked at."""

    def get(self, name: str) -> str | None:
        """Give a value, or None if the name is absent."""
        value = self._last.get(name.encode())
        return None if value is None else value.decode("utf-8", "replace")

    def all(self, name: str) -> list[str]:
        """Give every value of a repeated name."""
        wanted = name.encode()
        return [value.decode("utf-8", "replace") for key, value in self._pairs if key == wanted]


async def create(
    services: Services, principal: Principal, account_sid: str, body: bytes, idempotency_key: str | None
) -> Answer:
    """Create a message; 201 with the resource, or 400 with 21610 if the gate says no. Errors: TwilioError and ours."""
    require(principal, Scope.SEND)
    if account_sid != principal.account.sid:
        raise NotFound("no such account")
    draft = read(services, principal, Form(body))
    if idempotency_key is None:
        return _answer(await services.acceptor.submit(draft))

    async def work(connection: Connection) -> Answer:
        accepted = await services.acceptor.within(connection, [draft])
        return _answer(accepted[0])

    answer = await once(services.ports, principal.account.account_id, "twilio.messages", idempotency_key, body, work)
    services.ports.wake()
    return answer


def read(services: Services, principal: Principal, form: Form) -> Draft:
    """Read the parameters into a draft. Unknown ones are ignored, as Twilio does. Errors: TwilioError."""
    to_text, body = form.get("To"), form.get("Body") or ""
    if not to_text:
        raise TwilioError(400, 21604, "A 'To' phone number is required.")
    _refuse_services(form)
    from_text = form.get("From")
    if not from_text:
        raise TwilioError(400, 21603, "A 'From' phone number is required.")
    plain = form.plain
    media = () if plain else tuple(form.all("MediaUrl"))
    _check_content(form, body, media)
    sender = _sender(services, principal, from_text)
    to = _recipient(to_text, sender)
    code = services.providers[sender.provider].precheck(to.text, sender.address)
    if code is not None:
        raise TwilioError(400, code, f"The provider refuses this pair of addresses (test number, {code})")
    purpose = services.ports.policy.default_category
    if plain:
        return Draft(sender, to, body, purpose)
    return Draft(
        sender=sender,
        to=to,
        body=body,
        purpose=_INTENTS.get(form.get("MessageIntent") or "", purpose),
        media=media,
        status_callback=_callback(form.get("StatusCallback")),
        validity_s=_validity(form.get("ValidityPeriod")),
    )


def _answer(accepted: Accepted) -> Answer:
    if accepted.refused and accepted.error_code is not None:
        text = accepted.error_message or ""
        return Answer(400, envelope(400, accepted.error_code, text), JSON)
    return Answer(201, of_accepted(accepted), JSON)


def _refuse_services(form: Form) -> None:
    if form.plain:
        return
    if form.get("ScheduleType") or form.get("SendAt"):
        raise TwilioError(400, 35118, "MessagingServiceSid is required to schedule a message")
    if form.get("MessagingServiceSid"):
        raise TwilioError(400, 21701, "The Messaging Service resource does not exist; send with From")


def _check_content(form: Form, body: str, media: tuple[str, ...]) -> None:
    if not form.plain and form.get("ContentSid"):
        raise TwilioError(400, 21655, "The ContentSid is invalid: content templates are not available")
    if not body and not media:
        raise TwilioError(400, 21619, "A text message body or media urls must be specified.")
    if len(body) > _LONGEST_BODY:
        raise TwilioError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if "\0" in body:
        raise TwilioError(400, 21602, "The message body must not hold NUL")
    if len(media) > _MOST_MEDIA:
        raise TwilioError(400, 21623, f"Number of media files exceeds allowed limit of {_MOST_MEDIA}")
    if any(not is_absolute_http(url) for url in media):
        raise TwilioError(400, 21620, "Invalid media URL(s)")


def _sender(services: Services, principal: Principal, text: str) -> Sender:
    try:
        address = parse_sender(text)
    except InvalidAddress as error:
        raise TwilioError(400, 21212, f"The 'From' number {text[:40]} is not valid: {error}") from error
    found = services.ports.directory.sender_by_address(principal.account.account_id, address.channel, address.text)
    if found is None and ":" in text:
        raise TwilioError(400, 63007, f"Could not find a Channel with the From address {text[:40]}")
    if found is None:
        raise TwilioError(400, 21659, f"'From' {text[:40]} is not a sender of this account")
    return found


def _recipient(text: str, sender: Sender) -> Address:
    try:
        to = parse_recipient(text)
    except InvalidAddress as error:
        raise TwilioError(400, 21211, f"Invalid 'To' Phone Number: {text[:40]} ({error})") from error
    if to.channel is not sender.channel:
        raise TwilioError(400, 21910, "Invalid From and To pair. From and To should be of the same channel")
    if to.text == sender.address:
        raise TwilioError(400, 21211, "'To' and 'From' are the same number")
    return to


def _callback(url: str | None) -> str | None:
    if not url:
        return None
    if not is_absolute_http(url):
        raise TwilioError(400, 21609, f"The StatusCallback URL {url[:60]} is not a valid URL")
    return url


def _validity(text: str | None) -> int:
    if not text:
        return DEFAULT_VALIDITY_S
    if not (
        text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER and 1 <= int(text) <= DEFAULT_VALIDITY_S
    ):
        raise TwilioError(400, 21624, f"ValidityPeriod must be an integer from 1 to {DEFAULT_VALIDITY_S}")
    return int(text)
