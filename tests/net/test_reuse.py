"""When a connection may carry the next request, and that the request leaves in the step that asked."""

import asyncio
from typing import Any

import pytest

from consentry.kernel.calls import HttpCall

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_an_idle_connection_the_server_closed_is_replaced(serve: Any, client: Any) -> None:
    server = await serve()
    await client.send(server.call())
    server.peers[0].hang_up()
    await server.peers[0].gone.wait()

    assert (await client.send(server.call())).status == 200
    assert len(server.peers) == 2


@pytest.mark.parametrize("parting", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_a_close_the_event_loop_has_not_read_yet_is_seen_before_the_write(
    parting: bytes, listener: Any, client: Any
) -> None:
    """Between the server's close and the next request the loop does not run once; the kernel knows, and is asked."""
    loop = asyncio.get_running_loop()
    call = HttpCall("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    for _ in range(2):
        task = asyncio.create_task(client.send(call))
        await asyncio.wait([task], timeout=0)
        served, _ = await loop.sock_accept(listener)
        with served:
            assert (await loop.sock_recv(served, 4_096)).startswith(b"POST / ")
            await loop.sock_sendall(served, OK)
            assert (await task).status == 200
            if parting:
                served.sendall(parting)


async def test_the_request_is_in_the_socket_before_send_first_yields(listener: Any, client: Any) -> None:
    """What is checked is what is written: no other callback of the loop runs between the last look and the bytes."""
    loop = asyncio.get_running_loop()
    call = HttpCall("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", body=b"x" * 1_000)
    task = asyncio.create_task(client.send(call))
    served, _ = await loop.sock_accept(listener)
    with served:
        await loop.sock_recv(served, 4_096)
        await loop.sock_sendall(served, OK)
        await task

        sending = client.send(call)
        sending.send(None)
        assert served.recv(4_096).endswith(b"x" * 1_000)
        sending.close()


async def test_connections_that_are_idle_too_long_are_dropped(serve: Any, make_client: Any) -> None:
    server = await serve()
    client = make_client(idle_s=0.02)
    await client.send(server.call())

    await server.peers[0].gone.wait()

    assert client._pool._lanes == {}


async def test_an_idle_connection_is_not_used_beyond_its_time_even_if_it_is_still_open(
    serve: Any, make_client: Any
) -> None:
    server = await serve()
    client = make_client(idle_s=0.0)

    await client.send(server.call())
    await client.send(server.call())

    assert len(server.peers) == 2


async def test_words_nobody_asked_for_end_an_idle_connection(serve: Any, client: Any) -> None:
    server = await serve()
    await client.send(server.call())

    server.peers[0].write(OK)

    await server.peers[0].gone.wait()
    assert (await client.send(server.call())).status == 200


async def test_a_large_body_is_sent_whole(serve: Any, client: Any) -> None:
    server = await serve()
    body = bytes(range(256)) * 8_192

    assert (await client.send(server.call(body=body))).status == 200
    assert server.peers[0].seen.endswith(body)


async def test_an_early_answer_to_a_half_sent_request_is_given_and_the_connection_dropped(
    listener: Any, readable: Any, client: Any
) -> None:
    loop = asyncio.get_running_loop()
    call = HttpCall("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", body=bytes(16_000_000))
    task = asyncio.create_task(client.send(call))
    served, _ = await loop.sock_accept(listener)
    with served:
        await readable(served)
        await loop.sock_sendall(served, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")

        assert (await task).status == 413
        assert client._pool._lanes == {}
