"""What adapters read and write, as plain values: webhooks in, messages to hand off, calls out, replies back."""

import msgspec

from consentry.kernel.address import Channel


class HttpCall(msgspec.Struct, frozen=True):
    """One HTTP request to make: absolute URL, header pairs in order, the whole body."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0
    total_timeout_s: float = 15.0


class HttpReply(msgspec.Struct, frozen=True):
    """One HTTP answer; header names are lower case, the body is cut at the client's cap."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Give the first value of a header by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class SimulatorCall(msgspec.Struct, frozen=True):
    """One message for a simulated phone: no network, the same life."""

    from_address: str
    to_address: str
    body: str


Call = HttpCall | SimulatorCall


class RawRequest(msgspec.Struct, frozen=True):
    """A webhook as it came. `url` is the public one that the platform called, with its query."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Give the first value of a header by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class Outgoing(msgspec.Struct, frozen=True):
    """One message to hand off, as an adapter sees it."""

    message_sid: str
    attempt_no: int
    channel: Channel
    from_address: str
    to_address: str
    body: str
    media: tuple[str, ...]
    webhook_url: str
    """Our own address for reports about this message."""
    valid_for_s: int | None = None
