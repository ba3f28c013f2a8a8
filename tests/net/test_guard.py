"""The address table, and that no spelling of a host and no DNS trick gets around it."""

import socket
from collections.abc import Sequence
from typing import Any

import pytest

from consentry.kernel.calls import HttpCall
from consentry.net.dial import Dialer
from consentry.net.failures import AddressForbidden, Refused
from consentry.net.guard import forbidden

PUBLIC = "93.184.215.14"

FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.9",
    "169.254.1.1", "169.254.169.254", "169.254.170.2", "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.1",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002::1", "3fff::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "4000::1", "1::1",
    "", "localhost", "2130706433", "0x7f.1", "127.1", "010.0.0.1",
]  # fmt: skip

ALLOWED = [
    PUBLIC, "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255",
    "172.15.255.255", "172.32.0.1", "191.255.255.255", "192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip


@pytest.mark.parametrize("ip", FORBIDDEN)
def test_everything_that_is_not_public_is_forbidden(ip: str) -> None:
    assert forbidden(ip) is not None


@pytest.mark.parametrize("ip", ALLOWED)
def test_public_addresses_are_allowed(ip: str) -> None:
    assert forbidden(ip) is None


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.1.1", "fd12::1", "fe80::1"]
)
def test_development_may_open_private_addresses(ip: str) -> None:
    assert forbidden(ip, allow_private=True) is None


ALWAYS_FORBIDDEN = [
    "169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
    "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::127.0.0.1", "2002:7f00:1::", "fe80::1%lo",
]  # fmt: skip


@pytest.mark.parametrize("ip", ALWAYS_FORBIDDEN)
def test_development_does_not_open_metadata_multicast_or_unspecified(ip: str) -> None:
    assert forbidden(ip, allow_private=True) is not None


SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0", "127。0。0。1", "①②⑦.0.0.1",
    "\uff11\uff12\uff17.0.0.1", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_loopback_gets_through(host: str, serve: Any, make_client: Any) -> None:
    server = await serve()
    client = make_client(allow_private=False)

    with pytest.raises(AddressForbidden) as caught:
        await client.send(server.call(url=server.url(host=host)))

    assert caught.value.sent is False
    assert server.peers == []


class _Names:
    """A resolver that gives one prepared answer after the other and counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the addresses that would be connected to, and refuse them all."""
    addresses: list[str] = []

    async def refuse(_self: Dialer, _origin: object, address: str, _lost: object) -> None:
        addresses.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(Dialer, "_connect", refuse)
    return addresses


async def test_a_name_that_changes_its_mind_is_asked_once_and_the_checked_address_is_used(
    make_client: Any, dialled: list[str]
) -> None:
    names = _Names([PUBLIC], ["127.0.0.1"])
    client = make_client(allow_private=False, resolver=names)

    with pytest.raises(Refused):
        await client.send(HttpCall("GET", "http://rebinding.example/"))

    assert names.asked == [("rebinding.example", 80)]
    assert dialled == [PUBLIC]

    with pytest.raises(AddressForbidden):
        await client.send(HttpCall("GET", "http://rebinding.example/"))

    assert dialled == [PUBLIC]


@pytest.mark.parametrize(
    "answers", [[PUBLIC, "::1"], ["2606:4700:4700::1111", "10.0.0.1"], [PUBLIC, "fe80::1%eth0"], [PUBLIC, "nonsense"]]
)
async def test_one_forbidden_answer_spoils_all(answers: list[str], make_client: Any, dialled: list[str]) -> None:
    client = make_client(allow_private=False, resolver=_Names(answers))

    with pytest.raises(AddressForbidden):
        await client.send(HttpCall("GET", "https://mixed.example/"))

    assert dialled == []


async def test_answers_are_tried_in_order_until_one_connects(serve: Any, make_client: Any) -> None:
    server = await serve()
    names = _Names(["127.0.0.9", "127.0.0.1"])
    client = make_client(resolver=names)

    reply = await client.send(server.call(url=server.url(host="two.example")))

    assert reply.status == 200
    _, request = server.requests.get_nowait()
    assert f"Host: two.example:{server.port}\r\n".encode() in request


async def test_the_system_resolver_is_asked_for_literals_too(make_client: Any, dialled: list[str]) -> None:
    """The C library, and not our parser, decides what 0x08080808 is."""
    client = make_client(allow_private=False)

    with pytest.raises(Refused):
        await client.send(HttpCall("GET", "http://0x08080808/"))

    assert dialled == ["8.8.8.8"]
    assert socket.inet_aton("0x08080808") == bytes([8, 8, 8, 8])
