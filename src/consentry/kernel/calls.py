"""What an adapter asks the network to do, and what came back, as plain values."""

import msgspec


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
