"""The last look before the first byte: what is too late, or forbidden at the last moment, never reaches the wire."""

from collections.abc import Sequence
from typing import Any

import pytest

from consentry.net.failures import TooLate


class _Hands:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_permission_that_ends_while_connecting_sends_nothing(serve: Any, make_client: Any) -> None:
    server = await serve()
    hands = _Hands()

    async def slow(_host: str, _port: int) -> Sequence[str]:
        hands.now += 10
        return ["127.0.0.1"]

    client = make_client(monotonic=hands, resolver=slow)
    call = server.call(url=server.url(host="slow.example"))

    with pytest.raises(TooLate) as caught:
        await client.send(call, not_after=105.0)

    assert caught.value.sent is False
    # The connection went back to the pool, and what the server reads on it begins with the next request.
    await client.send(server.call("/next", url=server.url("/next", host="slow.example")), not_after=110.1)
    assert len(server.peers) == 1
    assert server.peers[0].seen.startswith(b"POST /next ")


async def test_the_permission_ends_at_its_instant_and_not_after_it(serve: Any, make_client: Any) -> None:
    server = await serve()
    client = make_client(monotonic=_Hands())
    seen: list[str] = []

    with pytest.raises(TooLate):
        await client.send(server.call("/late"), not_after=100.0, on_first_byte=lambda: seen.append("late"))
    await client.send(server.call("/in-time"), not_after=100.001, on_first_byte=lambda: seen.append("in time"))

    assert seen == ["in time"]
    assert server.peers[0].seen.startswith(b"POST /in-time ")


async def test_a_permission_that_ends_during_on_first_byte_sends_nothing(serve: Any, make_client: Any) -> None:
    server = await serve()
    hands = _Hands()
    client = make_client(monotonic=hands)

    with pytest.raises(TooLate):
        await client.send(server.call("/late"), not_after=101.0, on_first_byte=lambda: setattr(hands, "now", 102.0))
    await client.send(server.call("/next"))

    assert server.peers[0].seen.startswith(b"POST /next ")


async def test_on_first_byte_may_forbid_the_write(serve: Any, client: Any) -> None:
    server = await serve()

    def refuse() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await client.send(server.call("/never"), on_first_byte=refuse)
    await client.send(server.call("/next"))

    assert len(server.peers) == 1
    assert server.peers[0].seen.startswith(b"POST /next ")
