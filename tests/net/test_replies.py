"""How a reply ends, what is kept of it, and when the connection is used again."""

from typing import Any

import pytest

from consentry.net.failures import BadReply, ConnectionLost

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"


@pytest.mark.parametrize(
    "raw, status, body",
    [
        (b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", 201, b"hello"),
        (CHUNKED, 200, b"hello"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + CHUNKED, 200, b"hello"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 302, b""),
    ],
)
async def test_a_delimited_reply_is_read_and_the_connection_used_again(
    raw: bytes, status: int, body: bytes, serve: Any, client: Any
) -> None:
    server = await serve(raw)

    replies = [await client.send(server.call()) for _ in range(3)]

    assert {(reply.status, reply.body) for reply in replies} == {(status, body)}
    assert all("link" not in dict(reply.headers) for reply in replies)
    assert all("trailer" not in dict(reply.headers) for reply in replies)
    assert len(server.peers) == 1


async def test_a_reply_may_come_one_byte_at_a_time(serve: Any, client: Any) -> None:
    def drip(peer: Any) -> None:
        for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED:
            peer.write(bytes([byte]))

    server = await serve(drip)

    assert (await client.send(server.call())).body == b"hello"


async def test_header_names_are_lower_case_and_order_is_kept(serve: Any, client: Any) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nX-B: 1\r\nx-a: \xe9 \r\nX-B: 2\r\nContent-Length: 0\r\n\r\n")

    reply = await client.send(server.call())

    assert reply.headers == (("x-b", "1"), ("x-a", "é"), ("x-b", "2"), ("content-length", "0"))


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the end",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ],
)
async def test_the_end_of_the_connection_ends_a_reply_without_length(raw: bytes, serve: Any, client: Any) -> None:
    def reply_and_close(peer: Any) -> None:
        peer.write(raw)
        peer.hang_up()

    server = await serve(reply_and_close)

    assert (await client.send(server.call())).body == b"until the end"
    assert (await client.send(server.call())).body == b"until the end"
    assert len(server.peers) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
)
async def test_a_reply_that_breaks_off_is_an_unknown_outcome(raw: bytes, serve: Any, client: Any) -> None:
    def break_off(peer: Any) -> None:
        peer.write(raw)
        peer.hang_up()

    server = await serve(break_off)

    with pytest.raises(ConnectionLost) as caught:
        await client.send(server.call())

    assert caught.value.sent is True
    assert len(server.peers) == 1


async def test_head_has_no_body_whatever_its_length_says(serve: Any, client: Any) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    reply = await client.send(server.call(method="HEAD", body=b""))

    assert (reply.status, reply.body, reply.header("content-length")) == (200, b"", "5")


@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n\r\n", b"\r\n"])
async def test_a_body_beyond_the_cap_is_cut_and_the_connection_closed(
    framing: bytes, serve: Any, make_client: Any
) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\n" + framing + b"x" * 99)
    client = make_client(max_reply_bytes=10)

    reply = await client.send(server.call())

    assert reply.body == b"x" * 10
    await server.peers[0].gone.wait()


async def test_a_body_of_exactly_the_cap_is_whole(serve: Any, make_client: Any) -> None:
    server = await serve()
    client = make_client(max_reply_bytes=2)

    assert [(await client.send(server.call())).body for _ in range(2)] == [b"ok", b"ok"]
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 3_000 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000,
    ],
)
async def test_what_is_not_a_reply_is_an_unknown_outcome(raw: bytes, serve: Any, client: Any) -> None:
    server = await serve(raw)

    with pytest.raises(BadReply) as caught:
        await client.send(server.call())

    assert caught.value.sent is True
    await server.peers[0].gone.wait()


async def test_padding_around_a_small_body_has_an_end(serve: Any, make_client: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = await serve(head + b"1;" + b"p" * 70_000)
    client = make_client(max_reply_bytes=10)

    with pytest.raises(BadReply):
        await client.send(server.call())


async def test_a_second_reply_to_one_request_is_never_given_to_the_next(serve: Any, client: Any) -> None:
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    server = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + forged)

    bodies = [(await client.send(server.call())).body for _ in range(2)]

    assert bodies == [b"ok", b"ok"]
    assert len(server.peers) == 2


async def test_connection_close_is_honoured(serve: Any, client: Any) -> None:
    server = await serve(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    await client.send(server.call())
    await client.send(server.call())

    assert len(server.peers) == 2
    await server.peers[0].gone.wait()
