"""Write the callbacks that tell a customer what happened, in the words of Twilio's webhooks (twilio-contract §2)."""

from typing import Final

import msgspec

from consentry.flows.ports import Ports
from consentry.kernel.directory import Account, Sender
from consentry.kernel.ids import lane_of_id, to_sid
from consentry.kernel.message import Inbound, State
from consentry.store.callbacks import NewCallback

_API: Final = "2010-04-01"
_BARE: Final = frozenset({"sms", "mms"})
_KEPT_DIGITS: Final = 4
TWILIO_WORDS: Final = {State.UNKNOWN: "sending", State.REFUSED: "failed"}
"""Two states of ours have no word in Twilio's contract: an unknown outcome is still `sending` to its reader."""
_encode = msgspec.json.Encoder().encode

Params = list[tuple[str, str]]


class Event(msgspec.Struct, frozen=True):
    """What a status callback is about."""

    message_id: bytes
    state: State
    from_address: str
    to_address: str
    has_media: bool = False
    status_callback: str | None = None
    error_code: int | None = None
    error_message: str | None = None


def word(state: State) -> str:
    """Give Twilio's word for a state."""
    return TWILIO_WORDS.get(state, state.value)


def message_sid(message_id: bytes, *, has_media: bool) -> str:
    """Give the sid of a message."""
    return to_sid("MM" if has_media else "SM", message_id)


def status(ports: Ports, sender: Sender, event: Event) -> NewCallback | None:
    """Write a status callback; the message's own URL wins over the sender's. None if neither is set."""
    url = event.status_callback or sender.status_callback_url
    if not url or event.state is State.REFUSED:
        return None
    sid = message_sid(event.message_id, has_media=event.has_media)
    spoken = word(event.state)
    params: Params = [
        ("MessageSid", sid),
        ("MessageStatus", spoken),
        ("SmsSid", sid),
        ("SmsStatus", spoken),
        ("AccountSid", sender.account_sid),
        ("From", event.from_address),
        ("To", event.to_address),
        ("ApiVersion", _API),
    ]
    if event.error_code is not None:
        params.append(("ErrorCode", str(event.error_code)))
    if event.error_message is not None:
        params.append(("ErrorMessage", event.error_message))
    if sender.channel not in _BARE:
        params += [
            ("ChannelInstallSid", sender.sid),
            ("ChannelPrefix", str(sender.channel)),
            ("ChannelToAddress", _masked(event.to_address)),
        ]
        if event.state in {State.DELIVERED, State.READ, State.UNDELIVERED}:
            params.append(("EventType", spoken.upper()))
    method = sender.status_callback_method if url == sender.status_callback_url else "POST"
    return _callback(ports, sender, event.message_id, "status", url, method, params)


def inbound(
    ports: Ports, sender: Sender, account: Account, message_id: bytes, message: Inbound, opt_out_type: str | None
) -> NewCallback | None:
    """Write the callback for an inbound message; None if the sender has no Callback URL."""
    if not sender.callback_url:
        return None
    sid = message_sid(message_id, has_media=bool(message.media))
    params: Params = [
        ("MessageSid", sid),
        ("SmsSid", sid),
        ("SmsMessageSid", sid),
        ("AccountSid", account.sid),
        ("From", message.address),
        ("To", sender.address),
        ("Body", message.text or ""),
        ("NumMedia", str(len(message.media))),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("ApiVersion", _API),
    ]
    for number, (url, kind) in enumerate(message.media):
        params += [(f"MediaUrl{number}", url), (f"MediaContentType{number}", kind)]
    if opt_out_type is not None:
        params.append(("OptOutType", opt_out_type))
    said = {name for name, _ in params} | {"SmsStatus", "MessageStatus", "OptOutType", "MessagingServiceSid"}
    params += [pair for pair in message.extra if pair[0] not in said]
    return _callback(ports, sender, message_id, "inbound", sender.callback_url, sender.callback_method, params)


def _callback(
    ports: Ports, sender: Sender, message_id: bytes, kind: str, url: str, method: str, params: Params
) -> NewCallback:
    lane = lane_of_id(message_id)
    callback_id = ports.ids.new(lane)
    return NewCallback(
        lane=lane,
        callback_id=callback_id,
        account_id=sender.account_id,
        sender_id=sender.sender_id,
        message_id=message_id,
        kind=kind,
        url=url,
        method=method,
        fallback_url=sender.fallback_url if kind == "inbound" else None,
        fallback_method=sender.fallback_method,
        params=_encode(params),
        token=callback_id.hex(),
    )


def _masked(address: str) -> str:
    bare = address.partition(":")[2] or address
    return bare[:-_KEPT_DIGITS] + "X" * _KEPT_DIGITS if len(bare) > _KEPT_DIGITS else "XXXX"
