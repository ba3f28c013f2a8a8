"""A scripted HTTP server on loopback that keeps every byte it saw, and a client that may talk to it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop

from consentry.kernel.calls import HttpCall
from consentry.net.client import HttpClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# Reading the certifi roots takes longer than most of these tests.
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Run every test here on both loops: what the client promises rests on what their transports do."""
    del config, item
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Peer(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.seen = b""
        self.buffer = b""
        self.gone = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.server.peers.append(self)
        self.server.on_connect(self)

    def data_received(self, data: bytes) -> None:
        self.seen += data
        self.buffer += data
        while True:
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
            size = lengths[0] if lengths else 0
            if len(rest) < size:
                return
            self.buffer = rest[size:]
            self.server.requests.put_nowait((self, head + blank + rest[:size]))
            self.server.on_request(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.gone.set()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def hang_up(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Server:
    """A server whose behaviour a test writes down as two functions."""

    def __init__(self, on_request: Callable[[Peer], None], on_connect: Callable[[Peer], None]) -> None:
        self.on_request = on_request
        self.on_connect = on_connect
        self.peers: list[Peer] = []
        self.requests: asyncio.Queue[tuple[Peer, bytes]] = asyncio.Queue()
        self.listener: Any = None
        self.port = 0

    async def start(self, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(lambda: Peer(self), "127.0.0.1", 0, ssl=context)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.listener.close()
        for peer in self.peers:
            peer.transport.abort()
        for peer in self.peers:
            await peer.gone.wait()
        await self.listener.wait_closed()

    def url(self, path: str = "/", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def call(self, path: str = "/", **fields: Any) -> HttpCall:
        return HttpCall(**({"method": "POST", "url": self.url(path), "body": b"a=1"} | fields))


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start servers with the bytes they reply, or with a function of the peer; they are stopped at the end."""
    servers: list[Server] = []

    async def start(
        reply: bytes | Callable[[Peer], None] = OK,
        *,
        on_connect: Callable[[Peer], None] = lambda _: None,
        context: ssl.SSLContext | None = None,
    ) -> Server:
        on_request = reply if callable(reply) else lambda peer: peer.write(reply)
        server = Server(on_request, on_connect)
        await server.start(context)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def make_client() -> AsyncIterator[Callable[..., HttpClient]]:
    """Make clients that may talk to loopback; they are closed at the end."""
    clients: list[HttpClient] = []

    def make(**settings: Any) -> HttpClient:
        clients.append(HttpClient(**({"allow_private": True, "ssl_context": _TRUSTS_NOBODY} | settings)))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def client(make_client: Callable[..., HttpClient]) -> HttpClient:
    """Give a client with the defaults that may talk to loopback."""
    return make_client()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Give a listening socket for tests that must decide when the server's side reads."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


@pytest.fixture
def readable() -> Callable[[socket.socket], Awaitable[None]]:
    """Wait until something can be read from a socket, and leave it there."""

    async def wait(sock: socket.socket) -> None:
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(sock, event.set)
        await event.wait()
        loop.remove_reader(sock)

    return wait
