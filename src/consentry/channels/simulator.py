"""The simulator: a provider for every channel whose phones live in the database. Nothing leaves the machine.

Its webhooks are signed with a secret of the sender (`X-Simulator-Signature`, hex HMAC-SHA256 of the body), its answers
have the form of Twilio's, and Twilio's magic test numbers behave as they do there.
"""

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from consentry.channels.twilio_codes import classify
from consentry.kernel.address import Channel, InvalidAddress, parse_recipient
from consentry.kernel.calls import HttpReply, Outgoing, RawRequest, SimulatorCall
from consentry.kernel.consent import Event, Signal
from consentry.kernel.errors import BadSignature, Unparsable
from consentry.kernel.message import FailureClass, Inbound, Item, Outcome, State

_MAGIC_TO: Final = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
_MAGIC_FROM: Final = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}


class Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing needs to be set: the secret is made when the sender is."""

    secret: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))


class Act(msgspec.Struct, frozen=True):
    """What a simulated person did."""

    id: str
    type: Literal["text", "block", "unblock"]
    from_: str = msgspec.field(name="from")
    to: str
    text: str | None = None
    at: datetime | None = None


class Answer(msgspec.Struct, frozen=True):
    """What the simulated network answers to a hand-off."""

    sid: str | None = None
    status: State = State.DELIVERED
    code: int | None = None


class Simulator:
    """The adapter."""

    name = "simulator"
    channels = frozenset(Channel)
    configuration = Configuration

    def verify(self, request: RawRequest, configuration: Configuration) -> None:
        """Check `X-Simulator-Signature`."""
        given = (request.header("x-simulator-signature") or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(sign(configuration.secret, request.body).encode(), given):
            raise BadSignature("X-Simulator-Signature is missing or wrong")

    def parse(self, request: RawRequest, configuration: Configuration, sender_channel: Channel) -> Sequence[Item]:
        """Read what a simulated person did."""
        try:
            act = msgspec.json.decode(request.body, type=Act)
            address = parse_recipient(act.from_, channel=None if ":" in act.from_ else sender_channel)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidAddress) as error:
            raise Unparsable(f"no act of a simulated person: {error}") from error
        if act.type == "text":
            return [Inbound(address.channel, address.text, act.to, act.text, act.id, act.at)]
        event = Event.REVOKE_BLOCK if act.type == "block" else Event.RESTORE_UNBLOCKED
        return [Signal(event, address.channel, address.text, act.to, occurred_at=act.at, provider_event_id=act.id)]

    def prepare(self, message: Outgoing, configuration: Configuration) -> SimulatorCall:
        """Address a simulated phone."""
        return SimulatorCall(message.from_address, message.to_address, message.body)

    def interpret(self, reply: HttpReply, configuration: Configuration) -> Outcome:
        """Read the simulated network's answer."""
        answer = msgspec.json.decode(reply.body, type=Answer)
        if answer.code is None:
            return Outcome(accepted=True, provider_message_id=answer.sid, status=answer.status)
        after = reply.header("retry-after")
        known = classify(str(answer.code), "") or FailureClass.BAD_REQUEST
        return Outcome(False, None, known, str(answer.code), float(after) if after else None)

    def precheck(self, to_address: str, from_address: str) -> int | None:
        """Give the error of Twilio's magic test numbers."""
        return _MAGIC_FROM.get(from_address) or _MAGIC_TO.get(to_address)

    def answers_keywords(self, channel: Channel, configuration: Any) -> bool:
        """The simulator leaves the answers to us."""
        return False


def sign(secret: str, body: bytes) -> str:
    """Give the signature of a simulated webhook."""
    return hmac.digest(secret.encode(), body, "sha256").hex()
