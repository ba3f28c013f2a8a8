"""Makes connections: one look-up, every answer checked, and the checked address itself is connected to.

There is no second look-up between the check and the connect, so a name that changes its mind (DNS rebinding) changes
nothing. Literals take the same way as names, because only the resolver knows what `0x7f.1` means.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import TypeAlias

import certifi

from consentry.net.connection import Connection
from consentry.net.failures import AddressForbidden, ConnectTimeout, DnsFailure, NetError, Refused, TlsFailure
from consentry.net.guard import forbidden
from consentry.net.target import Origin

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
Lost: TypeAlias = Callable[[Connection], None]


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the operating system for the addresses of a host, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def default_ssl_context() -> ssl.SSLContext:
    """Trust the certifi roots, check names, speak HTTP/1.1 only."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Opens one connection to an origin before a given time of the loop, or says why not."""

    def __init__(self, *, allow_private: bool, max_body: int, context: ssl.SSLContext, resolver: Resolver) -> None:
        self._allow_private = allow_private
        self._max_body = max_body
        self._context = context
        self._resolver = resolver

    async def dial(self, origin: Origin, until: float, on_lost: Lost) -> Connection:
        """Resolve, check and connect. Every failure here means that no byte of a request left."""
        try:
            async with asyncio.timeout_at(until):
                addresses = await self._resolve(origin)
                return await self._connect_any(origin, addresses, until, on_lost)
        except TimeoutError:
            raise ConnectTimeout(f"no connection to {origin} in time") from None

    async def _resolve(self, origin: Origin) -> list[str]:
        try:
            answers = list(dict.fromkeys(await self._resolver(origin.host, origin.port)))
        except (OSError, UnicodeError):
            raise DnsFailure(f"{origin.host} cannot be resolved") from None
        if not answers:
            raise DnsFailure(f"{origin.host} has no address")
        for answer in answers:
            reason = forbidden(answer, allow_private=self._allow_private)
            if reason is not None:
                # One bad answer spoils all: a name that points inside even sometimes is not a name to follow.
                raise AddressForbidden(f"{origin.host} resolves to a forbidden address ({reason})")
        return [str(ip_address(answer)) for answer in answers]

    async def _connect_any(self, origin: Origin, addresses: list[str], until: float, on_lost: Lost) -> Connection:
        loop = asyncio.get_running_loop()
        failure: NetError = Refused(f"{origin} is not reachable")
        for index, address in enumerate(addresses):
            # An equal share of what is left, so that one dead address does not eat the time of the next.
            share = (until - loop.time()) / (len(addresses) - index)
            try:
                async with asyncio.timeout(share):
                    connection = await self._connect(origin, address, on_lost)
            except TimeoutError:
                failure = ConnectTimeout(f"no connection to {origin} in time")
            except OSError:
                failure = Refused(f"{origin} refused the connection or is not reachable")
            else:
                if connection.may_return():
                    return connection
                connection.abort()
                failure = Refused(f"{origin} hung up before the request")
        raise failure

    async def _connect(self, origin: Origin, address: str, on_lost: Lost) -> Connection:
        def connection() -> Connection:
            return Connection(str(origin), self._max_body, on_lost)

        loop = asyncio.get_running_loop()
        if not origin.secure:
            return (await loop.create_connection(connection, address, origin.port))[1]
        try:
            _, made = await loop.create_connection(
                connection, address, origin.port, ssl=self._context, server_hostname=origin.host
            )
        except ssl.SSLError as error:
            detail = getattr(error, "verify_message", None) or error.reason or "handshake failed"
            raise TlsFailure(f"no TLS with {origin}: {detail}") from None
        except (ConnectionResetError, ConnectionAbortedError):
            raise TlsFailure(f"{origin} hung up during the TLS handshake") from None
        return made
