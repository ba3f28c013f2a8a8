"""What each failure says about whether a byte left, as the state table of an attempt needs it."""

import asyncio
import socket
import struct
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consentry.kernel.calls import HttpCall
from consentry.net.failures import (
    ConnectionLost,
    ConnectTimeout,
    DnsFailure,
    InvalidCall,
    NetError,
    ReadTimeout,
    Refused,
)


def _silent(_peer: object) -> None:
    """Read the request and say nothing."""


async def test_a_refused_connection_is_definitely_not_sent(client: Any) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))

        with pytest.raises(Refused) as caught:
            await client.send(HttpCall("POST", f"http://127.0.0.1:{bound.getsockname()[1]}/"))

    assert caught.value.sent is False


async def test_a_name_without_address_is_definitely_not_sent(make_client: Any) -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    async def empty(_host: str, _port: int) -> Sequence[str]:
        return []

    for resolver in (unknown, empty):
        with pytest.raises(DnsFailure) as caught:
            await make_client(resolver=resolver).send(HttpCall("POST", "http://nobody.example/"))
        assert caught.value.sent is False


@pytest.mark.parametrize("limits", [{"connect_timeout_s": 0.02}, {"total_timeout_s": 0.02}])
async def test_a_connection_that_takes_too_long_is_definitely_not_sent(
    limits: dict[str, float], make_client: Any
) -> None:
    async def slow(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(ConnectTimeout) as caught:
        await make_client(resolver=slow).send(HttpCall("POST", "http://slow.example/", **limits))

    assert caught.value.sent is False


async def test_a_dead_first_address_leaves_time_for_the_second(
    serve: Any, make_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consentry.net.dial import Dialer  # noqa: PLC0415 - the one test that slows the dialer down

    server = await serve()
    connect = Dialer._connect

    async def hang_on_first(self: Dialer, origin: Any, address: str, lost: Any) -> Any:
        if address == "127.0.0.9":
            await asyncio.Event().wait()
        return await connect(self, origin, address, lost)

    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    monkeypatch.setattr(Dialer, "_connect", hang_on_first)
    client = make_client(resolver=two)

    reply = await client.send(server.call(url=server.url(host="two.example"), connect_timeout_s=0.2))

    assert reply.status == 200


async def test_a_reset_before_the_request_was_read_is_unknown(listener: Any, readable: Any, client: Any) -> None:
    task = asyncio.create_task(client.send(HttpCall("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/")))
    served, _ = await asyncio.get_running_loop().sock_accept(listener)
    await readable(served)

    served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    served.close()

    with pytest.raises(ConnectionLost) as caught:
        await task
    assert caught.value.sent is True


async def test_a_reset_after_the_request_was_read_is_unknown_and_not_tried_again(serve: Any, client: Any) -> None:
    server = await serve(lambda peer: peer.reset())

    with pytest.raises(ConnectionLost) as caught:
        await client.send(server.call())

    assert caught.value.sent is True
    assert server.requests.qsize() == 1


async def test_a_reset_on_a_reused_connection_after_the_write_is_not_tried_again(serve: Any, client: Any) -> None:
    server = await serve()
    await client.send(server.call())
    server.on_request = lambda peer: peer.reset()

    with pytest.raises(ConnectionLost) as caught:
        await client.send(server.call())

    assert caught.value.sent is True
    assert server.requests.qsize() == 2


@pytest.mark.parametrize("limits", [{"read_timeout_s": 0.02}, {"total_timeout_s": 0.02}])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
async def test_a_server_that_hangs_is_unknown(part: bytes, limits: dict[str, float], serve: Any, client: Any) -> None:
    server = await serve(lambda peer: peer.write(part))

    with pytest.raises(ReadTimeout) as caught:
        await client.send(server.call(**limits))

    assert caught.value.sent is True
    await server.peers[0].gone.wait()


async def test_the_timer_of_a_patient_request_does_not_hold_up_an_impatient_one(serve: Any, client: Any) -> None:
    server = await serve()
    await client.send(server.call(read_timeout_s=60, total_timeout_s=60))
    server.on_request = _silent

    with pytest.raises(ReadTimeout):
        await client.send(server.call(read_timeout_s=0.02))


async def test_the_timer_of_an_impatient_request_does_not_end_a_patient_one(serve: Any, client: Any) -> None:
    """The timer of the first rings during the second and must find that it has nothing to say."""
    server = await serve()
    await client.send(server.call(read_timeout_s=0.03))
    loop = asyncio.get_running_loop()
    server.on_request = lambda peer: loop.call_later(0.08, peer.write, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert (await client.send(server.call())).status == 200
    assert len(server.peers) == 1


async def test_a_server_that_keeps_talking_is_ended_by_the_total(serve: Any, client: Any) -> None:
    loop = asyncio.get_running_loop()

    def drip(peer: Any) -> None:
        if not peer.gone.is_set():
            peer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            loop.call_later(0.01, drip, peer)

    server = await serve(drip)

    with pytest.raises(ReadTimeout):
        await client.send(server.call(read_timeout_s=0.05, total_timeout_s=0.15))


async def test_a_call_that_cannot_be_written_opens_no_connection(serve: Any, client: Any) -> None:
    server = await serve()

    with pytest.raises(InvalidCall) as caught:
        await client.send(server.call(headers=(("X", "a\r\nEvil: 1"),)))

    assert caught.value.sent is False
    assert server.peers == []


def _breaking(kind: str) -> Callable[[Any], None]:
    return {
        "lost": lambda peer: peer.reset(),
        "silent": _silent,
        "bad": lambda peer: peer.write(b"hunter2 secretquery\r\n\r\n"),
        "late": _silent,
    }[kind]


@pytest.mark.parametrize("kind", ["lost", "silent", "bad", "late"])
async def test_no_failure_quotes_userinfo_query_or_body(kind: str, serve: Any, client: Any) -> None:
    server = await serve(_breaking(kind))
    url = server.url("/p?secretquery=1", host="agent:hunter2@127.0.0.1")
    call = server.call(url=url, body=b"secretbody", headers=(("X-Key", "secretheader"),), read_timeout_s=0.02)

    with pytest.raises(NetError) as caught:
        await client.send(call, not_after=0.0 if kind == "late" else None)

    _assert_discreet(caught.value)


@pytest.mark.parametrize(
    "url, header",
    [
        ("http://agent:hunter2@127.0.0.1:0/?secretquery", "v"),
        ("http://agent:hunter2@a_b/?secretquery", "v"),
        ("http://agent:hunter2@a..ü/?secretquery", "v"),
        ("http://agent:hunter2@[zz]/?secretquery", "v"),
        ("http://agent:hunter2@a.example/?secretquery\ud800", "v"),
        ("http://agent:hunter2@a.example/? secretquery", "v"),
        ("http://agent:hunter2@a.example/?secretquery", "secretheader\n"),
        ("http://agent:hunter2@a.example/?secretquery", "secretheader\u20ac"),
        ("http://agent:hunter2@10.0.0.1.invalid:1/?secretquery", "v"),
    ],
)
async def test_no_refusal_quotes_userinfo_query_or_body(url: str, header: str, make_client: Any) -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    client = make_client(resolver=unknown)
    call = HttpCall("POST", url, (("X-Key", header),), b"secretbody")

    with pytest.raises(NetError) as caught:
        await client.send(call)

    _assert_discreet(caught.value)


def _assert_discreet(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__) + repr(error.__context__)
    for secret in ("agent", "hunter2", "YWdlbnQ", "secretquery", "secretbody", "secretheader"):
        assert secret not in text
