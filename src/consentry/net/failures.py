"""Everything that can go wrong on the way out, each saying whether a byte may have left.

`sent` is the only thing a flow has to ask: False means the provider cannot have seen the request, so it may be tried
again; True means nobody knows, so it must not be. No text here ever holds userinfo, a query or a body: what is raised
is logged, and what is logged is read by many.
"""


class NetError(Exception):
    """A request that got no reply; `sent` is False only when no byte of it left."""

    sent: bool = False


class InvalidCall(NetError):
    """The call cannot be written as one HTTP/1.1 request."""


class InvalidUrl(InvalidCall):
    """The URL is not an absolute http or https URL that every reader understands the same way."""


class AddressForbidden(NetError):
    """The host resolves to an address this service must not talk to."""


class DnsFailure(NetError):
    """The host has no address."""


class Refused(NetError):
    """No address of the host took the connection."""


class TlsFailure(NetError):
    """The host did not prove that it is the host."""


class ConnectTimeout(NetError):
    """There was no connection in time: the pool, DNS, TCP or TLS took too long."""


class TooLate(NetError):
    """The permission to send ended before the first byte."""


class ClientClosed(NetError):
    """The client was closed before there was a connection to send on."""


class ReadTimeout(NetError):
    """The request left and the reply stopped coming."""

    sent = True


class ConnectionLost(NetError):
    """The request left and the connection went away before the whole reply was here."""

    sent = True


class BadReply(NetError):
    """The request left and what came back is not HTTP/1.1, or has no end."""

    sent = True
