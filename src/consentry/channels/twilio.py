"""Twilio: sms, mms, whatsapp, messenger and rcs through a Twilio account."""

import base64
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from consentry.channels.twilio_codes import MARKETING_ONLY, classify
from consentry.kernel import signature
from consentry.kernel.address import Channel, InvalidAddress, parse_recipient, parse_sender
from consentry.kernel.calls import HttpCall, HttpReply, Outgoing, RawRequest
from consentry.kernel.consent import ALL, Signal
from consentry.kernel.errors import BadSignature, Unparsable
from consentry.kernel.message import SIGNAL_OF_FAILURE, FailureClass, Inbound, Item, Outcome, State, StatusReport

_STATES: Final = {
    "accepted": State.QUEUED,
    "queued": State.QUEUED,
    "sending": State.SENDING,
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.READ,
    "undelivered": State.UNDELIVERED,
    "failed": State.FAILED,
    "canceled": State.FAILED,
}
_PHONE: Final = frozenset({Channel.sms, Channel.mms, Channel.rcs})
_OWN_WORDS: Final = frozenset(
    {"AccountSid", "MessageSid", "SmsSid", "SmsMessageSid", "From", "To", "Body", "ApiVersion"}
)
_MOST_MEDIA: Final = 10


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Twilio account to send through. `opt_out_replies` says who answers STOP: by default Twilio does on phones."""

    account_sid: str
    auth_token: str
    api_base_url: str = "https://api.twilio.com"
    messaging_service_sid: str | None = None
    opt_out_replies: Literal["vendor", "consentry"] | None = None


class Twilio:
    """The adapter."""

    name = "twilio"
    channels = frozenset({Channel.sms, Channel.mms, Channel.rcs, Channel.whatsapp, Channel.messenger})
    configuration = Configuration

    def verify(self, request: RawRequest, configuration: Configuration) -> None:
        """Check `X-Twilio-Signature` over the public URL and the form, or over `bodySHA256` for other bodies."""
        given = request.header("x-twilio-signature")
        if not given:
            raise BadSignature("X-Twilio-Signature is missing")
        pairs: list[signature.Pair] = []
        query = parse_qs(urlsplit(request.url).query)
        if "bodySHA256" in query:
            if query["bodySHA256"] != [signature.body_hash(request.body)]:
                raise BadSignature("bodySHA256 does not fit the body")
        elif request.method == "POST":
            pairs = signature.form_pairs(request.body)
        if not signature.matches(configuration.auth_token, given, request.url, pairs):
            raise BadSignature("X-Twilio-Signature is wrong")

    def parse(self, request: RawRequest, configuration: Configuration, sender_channel: Channel) -> Sequence[Item]:
        """Read an inbound message or a status callback."""
        raw = request.body if request.method == "POST" else urlsplit(request.url).query.encode()
        form = _Form(raw)
        status = form.get("MessageStatus") or form.get("SmsStatus")
        if status in {"received", "receiving", ""} and form.get("From"):
            return [_inbound(form, sender_channel)]
        if status in _STATES:
            return _report(form, request, sender_channel)
        raise Unparsable(f"neither an inbound message nor a known status ({status[:20]!r})")

    def prepare(self, message: Outgoing, configuration: Configuration) -> HttpCall:
        """Write the call that creates a Message; Twilio may hold it no longer than our own validity says."""
        fields = [("To", message.to_address), ("From", message.from_address)]
        if configuration.messaging_service_sid:
            fields.append(("MessagingServiceSid", configuration.messaging_service_sid))
        if message.body:
            fields.append(("Body", message.body))
        fields += [("MediaUrl", url) for url in message.media]
        fields.append(("StatusCallback", message.webhook_url))
        if message.valid_for_s is not None:
            fields.append(("ValidityPeriod", str(max(1, min(message.valid_for_s, 36_000)))))
        credentials = base64.b64encode(f"{configuration.account_sid}:{configuration.auth_token}".encode()).decode()
        return HttpCall(
            method="POST",
            url=f"{configuration.api_base_url.rstrip('/')}/2010-04-01/Accounts/{configuration.account_sid}/Messages.json",
            headers=(
                ("authorization", f"Basic {credentials}"),
                ("content-type", "application/x-www-form-urlencoded"),
                ("accept", "application/json"),
            ),
            body=urlencode(fields).encode(),
            total_timeout_s=10.0,
        )

    def interpret(self, reply: HttpReply, configuration: Configuration) -> Outcome:
        """Read the answer: 2xx is taken, 4xx is not, 5xx may be either (I4)."""
        answer = _answer(reply.body)
        if 200 <= reply.status < 300:  # noqa: PLR2004 - the success range of HTTP
            return Outcome(accepted=True, provider_message_id=answer.sid)
        code = str(answer.code) if answer.code is not None else None
        retry_after = _seconds(reply.header("retry-after"))
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Outcome(False, None, FailureClass.THROTTLED, code or "429", retry_after)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            known = FailureClass.AMBIGUOUS if retry_after is None else FailureClass.TRANSIENT
            return Outcome(False, None, known, code or str(reply.status), retry_after)
        found = (classify(code, "") if code else None) or _by_status(reply.status)
        purpose = "marketing" if code in MARKETING_ONLY else ALL
        return Outcome(False, None, found, code or str(reply.status), retry_after, signal_purpose=purpose)

    def precheck(self, to_address: str, from_address: str) -> int | None:
        """Nothing is known beforehand: Twilio answers for itself."""

    def answers_keywords(self, channel: Channel, configuration: Configuration) -> bool:
        """Twilio answers on phones unless its account is set otherwise; elsewhere it does not (§3.2)."""
        if configuration.opt_out_replies is not None:
            return configuration.opt_out_replies == "vendor"
        return channel in _PHONE


class _Form:
    def __init__(self, raw: bytes) -> None:
        self.pairs = [
            (k.decode("utf-8", "replace"), v.decode("utf-8", "replace")) for k, v in signature.form_pairs(raw)
        ]
        self._first: dict[str, str] = {}
        for key, value in self.pairs:
            self._first.setdefault(key, value)

    def get(self, key: str) -> str:
        return self._first.get(key, "")


class _Answer(msgspec.Struct):
    sid: str | None = None
    code: int | None = None


def _inbound(form: _Form, sender_channel: Channel) -> Inbound:
    sid = form.get("MessageSid") or form.get("SmsSid")
    if not sid:
        raise Unparsable("an inbound message without MessageSid")
    count = form.get("NumMedia")
    media = tuple(
        (form.get(f"MediaUrl{i}"), form.get(f"MediaContentType{i}"))
        for i in range(min(int(count) if count.isascii() and count.isdigit() else 0, _MOST_MEDIA))
    )
    channel, address = _user(form.get("From"), sender_channel)
    text = form.get("Body")
    button = form.get("ButtonPayload") or form.get("ButtonText")
    return Inbound(
        channel=channel,
        address=address,
        sender_address=_ours(form.get("To"), channel),
        text=text or button or None,
        provider_message_id=sid,
        media=media,
        extra=tuple(pair for pair in form.pairs if pair[0] not in _OWN_WORDS),
        opt_out_type=form.get("OptOutType").upper() or None,
    )


def _report(form: _Form, request: RawRequest, sender_channel: Channel) -> list[Item]:
    sid = form.get("MessageSid") or form.get("SmsSid")
    if not sid:
        raise Unparsable("a status without MessageSid")
    state = _STATES[form.get("MessageStatus") or form.get("SmsStatus")]
    failed = state in {State.FAILED, State.UNDELIVERED}
    code = (form.get("ErrorCode") or None) if failed else None
    failure = classify(code, form.get("From")) if code else None
    mine = parse_qs(urlsplit(request.url).query).get("message", [None])[0]
    items: list[Item] = [StatusReport(state, sid, failure, code, form.get("To") or None, message_sid=mine)]
    event = SIGNAL_OF_FAILURE.get(failure) if failure else None
    if event is not None and form.get("To"):
        channel, address = _user(form.get("To"), sender_channel)
        purpose = "marketing" if code in MARKETING_ONLY else ALL
        items.append(Signal(event, channel, address, _ours(form.get("From"), channel), purpose, None, sid))
    return items


def _user(text: str, sender_channel: Channel) -> tuple[Channel, str]:
    bare = sender_channel if sender_channel in _PHONE and ":" not in text else None
    try:
        address = parse_recipient(text, channel=bare)
    except InvalidAddress as error:
        raise Unparsable(f"an address that is none: {error}") from error
    return address.channel, address.text


def _ours(text: str, channel: Channel) -> str | None:
    try:
        return parse_sender(text, channel=None if ":" in text else channel).text if text else None
    except InvalidAddress:
        return None


def _answer(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Answer()


def _by_status(status: int) -> FailureClass:
    return FailureClass.AUTH if status in {401, 403} else FailureClass.BAD_REQUEST


def _seconds(text: Any) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
