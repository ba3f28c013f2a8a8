"""Connections: reused, limited, replaced, dropped on cancellation, all closed in the end."""

import asyncio
from typing import Any

import pytest

from consentry.kernel.calls import HttpCall
from consentry.net.failures import ClientClosed, ConnectionLost, ConnectTimeout, TooLate

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _silent(_peer: object) -> None:
    """Read the request and say nothing until the test does."""


async def test_sequential_requests_share_one_connection(serve: Any, client: Any) -> None:
    server = await serve()

    for _ in range(5):
        await client.send(server.call())

    assert len(server.peers) == 1


async def test_the_newest_idle_connection_is_used_first(serve: Any, client: Any) -> None:
    server = await serve(_silent)
    tasks = [asyncio.create_task(client.send(server.call(f"/{n}"))) for n in range(2)]
    first, second = [(await server.requests.get())[0] for _ in range(2)]
    for peer in (first, second):
        peer.write(OK)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*tasks)
    server.on_request = lambda peer: peer.write(OK)

    await client.send(server.call())

    assert (await server.requests.get())[0] is second


@pytest.mark.parametrize("limit", [1, 2])
async def test_no_more_connections_than_the_limit(limit: int, serve: Any, make_client: Any) -> None:
    server = await serve(_silent)
    client = make_client(max_connections_per_origin=limit)
    tasks = [asyncio.create_task(client.send(server.call(f"/{n}"))) for n in range(6)]

    order = []
    for _ in range(6):
        peer, request = await server.requests.get()
        order.append(request.split()[1])
        peer.write(OK)
    replies = await asyncio.gather(*tasks)

    assert {reply.status for reply in replies} == {200}
    assert len(server.peers) == limit
    if limit == 1:
        assert order == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/5"]


async def test_a_slot_passes_on_when_its_connection_is_lost(serve: Any, make_client: Any) -> None:
    server = await serve(lambda peer: peer.reset())
    client = make_client(max_connections_per_origin=1)

    outcomes = await asyncio.gather(*(client.send(server.call()) for _ in range(4)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [ConnectionLost] * 4
    assert len(server.peers) == 4


async def test_waiting_for_a_slot_ends_with_the_connect_timeout(serve: Any, make_client: Any) -> None:
    server = await serve(_silent)
    client = make_client(max_connections_per_origin=1)
    first = asyncio.create_task(client.send(server.call("/first")))
    peer, _ = await server.requests.get()

    with pytest.raises(ConnectTimeout) as caught:
        await client.send(server.call("/second", connect_timeout_s=0.02))
    with pytest.raises(TooLate) as late:
        await client.send(server.call("/third"), not_after=asyncio.get_running_loop().time() + 0.02)
    peer.write(OK)

    assert (caught.value.sent, late.value.sent) == (False, False)
    assert (await first).status == 200
    assert peer.seen.count(b"HTTP/1.1") == 1


async def test_cancellation_closes_the_connection_and_gives_up_the_slot(serve: Any, make_client: Any) -> None:
    server = await serve(_silent)
    client = make_client(max_connections_per_origin=1)
    task = asyncio.create_task(client.send(server.call()))
    peer, _ = await server.requests.get()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await peer.gone.wait()
    server.on_request = lambda peer: peer.write(OK)
    assert (await client.send(server.call())).status == 200
    assert len(server.peers) == 2


@pytest.mark.parametrize("when", ["while waiting", "at its turn", "at a free slot"])
async def test_a_cancelled_waiter_does_not_keep_its_turn(
    when: str, serve: Any, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(_silent)
    client = make_client(max_connections_per_origin=1)
    first = asyncio.create_task(client.send(server.call("/first")))
    peer, _ = await server.requests.get()
    waiter = asyncio.create_task(client.send(server.call("/waiter")))
    last = asyncio.create_task(client.send(server.call("/last")))
    if when == "while waiting":
        asyncio.get_running_loop().call_soon(waiter.cancel)
    else:
        give_turn = client._pool._give_turn

        def give_and_cancel(*turn: Any) -> Any:
            given = give_turn(*turn)
            waiter.cancel()
            return given

        monkeypatch.setattr(client._pool, "_give_turn", give_and_cancel)

    peer.reset() if when == "at a free slot" else peer.write(OK)
    await asyncio.wait([first, waiter])
    peer, request = await server.requests.get()
    peer.write(OK)

    assert request.startswith(b"POST /last ")
    assert (await last).status == 200
    assert waiter.cancelled()
    assert client._pool._lanes[next(iter(client._pool._lanes))].open == 1
    if when == "at a free slot":
        assert isinstance(first.exception(), ConnectionLost)


async def test_cancellation_while_connecting_gives_up_the_slot(make_client: Any) -> None:
    asked = asyncio.Event()

    async def slow(_host: str, _port: int) -> list[str]:
        asked.set()
        await asyncio.Event().wait()
        return []

    client = make_client(resolver=slow)
    task = asyncio.create_task(client.send(HttpCall("GET", "http://slow.example/")))
    await asked.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert client._pool._lanes == {}


async def test_close_ends_everything(serve: Any, make_client: Any) -> None:
    server = await serve()
    client = make_client(max_connections_per_origin=2)
    await asyncio.gather(client.send(server.call()), client.send(server.call()))
    server.on_request = _silent
    while not server.requests.empty():
        server.requests.get_nowait()
    under_way = asyncio.create_task(client.send(server.call()))
    await server.requests.get()
    other = asyncio.create_task(client.send(server.call()))
    await server.requests.get()
    queued = asyncio.create_task(client.send(server.call()))
    asyncio.get_running_loop().call_soon(lambda: None)
    await asyncio.wait([queued], timeout=0)

    await client.close()

    outcomes = await asyncio.gather(under_way, other, queued, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionLost, ConnectionLost, ClientClosed]
    for peer in server.peers:
        await peer.gone.wait()
    with pytest.raises(ClientClosed):
        await client.send(server.call())
    await client.close()


async def test_a_connection_made_while_closing_is_not_used(serve: Any, make_client: Any) -> None:
    server = await serve()
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_host: str, _port: int) -> list[str]:
        asked.set()
        await go.wait()
        return ["127.0.0.1"]

    client = make_client(resolver=slow)
    task = asyncio.create_task(client.send(server.call(url=server.url(host="slow.example"))))
    await asked.wait()
    await client.close()
    go.set()

    with pytest.raises(ClientClosed):
        await task
    assert all(peer.seen == b"" for peer in server.peers)
