"""What an adapter is. It does no I/O and keeps no state: each of its four functions is values in, values out."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.calls import Call, HttpReply, Outgoing, RawRequest
from consentry.kernel.message import Item, Outcome


class Adapter(Protocol):
    """One provider."""

    @property
    def name(self) -> str:
        """The word for the provider in URLs and settings."""
        ...

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels that it carries."""
        ...

    @property
    def configuration(self) -> type[msgspec.Struct]:
        """What a sender's settings are read into."""
        ...

    def verify(self, request: RawRequest, configuration: Any) -> None:
        """Check that the platform sent this, in constant time. Errors: BadSignature. It has no default: doubt is no."""
        ...

    def parse(self, request: RawRequest, configuration: Any, sender_channel: Channel) -> Sequence[Item]:
        """Read a verified request into messages, reports and signals, in body order. Errors: Unparsable."""
        ...

    def prepare(self, message: Outgoing, configuration: Any) -> Call:
        """Write one message as a call."""
        ...

    def interpret(self, reply: HttpReply, configuration: Any) -> Outcome:
        """Read the provider's answer to a hand-off."""
        ...

    def precheck(self, to_address: str, from_address: str) -> int | None:
        """Give the provider's error code if it is known beforehand that it would refuse these addresses."""
        ...

    def answers_keywords(self, channel: Channel, configuration: Any) -> bool:
        """Tell whether the provider answers STOP, START and HELP itself, so that we must not."""
        ...
