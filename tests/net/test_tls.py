"""Who is on the other side, over real TLS on loopback."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import pytest
import trustme

from consentry.kernel.calls import HttpCall
from consentry.net.failures import ConnectTimeout, NetError, TlsFailure

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def _loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give one certificate authority for the file."""
    return trustme.CA()


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    """Give the context of a server that is good.example and 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("good.example", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def tls_client(authority: trustme.CA, make_client: Any) -> Any:
    """Give a client that trusts the authority and finds every name on loopback."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    authority.configure_trust(context)
    return make_client(ssl_context=context, resolver=_loopback)


@pytest.mark.parametrize("host", ["good.example", "GOOD.example", "127.0.0.1"])
async def test_a_proven_host_is_talked_to_and_the_connection_used_again(
    host: str, serve: Any, tls_client: Any, server_context: ssl.SSLContext
) -> None:
    server = await serve(context=server_context)

    for _ in range(3):
        reply = await tls_client.send(server.call(url=server.url(scheme="https", host=host)))
        assert (reply.status, reply.body) == (200, b"ok")

    assert len(server.peers) == 1
    assert server.peers[0].transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_a_close_delimited_reply_works_over_tls(
    serve: Any, tls_client: Any, server_context: ssl.SSLContext
) -> None:
    def reply_and_close(peer: Any) -> None:
        peer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        peer.hang_up()

    server = await serve(reply_and_close, context=server_context)

    reply = await tls_client.send(server.call(url=server.url(scheme="https", host="good.example")))

    assert reply.body == b"until the end"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.2"])
async def test_a_certificate_for_another_name_sends_nothing(
    host: str, serve: Any, tls_client: Any, server_context: ssl.SSLContext
) -> None:
    server = await serve(context=server_context)

    with pytest.raises(TlsFailure) as caught:
        await tls_client.send(server.call(url=server.url(scheme="https", host=host)))

    assert caught.value.sent is False
    assert all(peer.seen == b"" for peer in server.peers)
    assert tls_client._pool._lanes == {}


async def test_only_the_certifi_roots_are_trusted_by_default(
    serve: Any, make_client: Any, server_context: ssl.SSLContext
) -> None:
    server = await serve(context=server_context)
    client = make_client(ssl_context=None, resolver=_loopback)

    with pytest.raises(TlsFailure) as caught:
        await client.send(server.call(url=server.url(scheme="https", host="good.example")))

    assert caught.value.sent is False


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_a_server_without_tls_is_sent_nothing(words: bytes, serve: Any, tls_client: Any) -> None:
    def hang_up(peer: Any) -> None:
        peer.write(words)
        peer.hang_up()

    server = await serve(on_connect=hang_up)

    with pytest.raises(TlsFailure) as caught:
        await tls_client.send(server.call(url=server.url(scheme="https", host="good.example")))

    assert caught.value.sent is False


async def test_a_handshake_that_hangs_ends_with_the_connect_timeout(serve: Any, tls_client: Any) -> None:
    server = await serve()

    with pytest.raises(ConnectTimeout) as caught:
        await tls_client.send(server.call(url=server.url(scheme="https"), connect_timeout_s=0.05))

    assert caught.value.sent is False
    await server.peers[0].gone.wait()


async def test_close_and_failures_over_tls_leave_no_socket(
    serve: Any, tls_client: Any, server_context: ssl.SSLContext
) -> None:
    server = await serve(lambda peer: peer.reset(), context=server_context)

    with pytest.raises(NetError) as caught:
        await tls_client.send(server.call(url=server.url(scheme="https", host="good.example")))
    await tls_client.close()

    assert caught.value.sent is True
    await server.peers[0].gone.wait()


async def test_the_request_is_in_the_socket_before_send_first_yields(
    tls_client: Any, server_context: ssl.SSLContext
) -> None:
    """As over TCP: encryption does not put the write off to a later step of the loop."""
    loop = asyncio.get_running_loop()

    def first_exchange(raw: socket.socket) -> ssl.SSLSocket:
        raw.setblocking(True)
        served = server_context.wrap_socket(raw, server_side=True)
        served.settimeout(5)
        served.recv(4_096)
        served.sendall(OK)
        return served

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        call = HttpCall("POST", f"https://good.example:{listener.getsockname()[1]}/second", body=b"x" * 1_000)
        task = asyncio.create_task(tls_client.send(call))
        raw, _ = await loop.sock_accept(listener)
        with await asyncio.to_thread(first_exchange, raw) as served:
            await task

            sending = tls_client.send(call)
            sending.send(None)
            # The loop cannot run while this blocks, so only bytes that already left can arrive.
            assert served.recv(4_096).startswith(b"POST /second ")
            sending.close()
