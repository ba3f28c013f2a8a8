"""A kept head is a cache: folding the records of its address gives the very same bytes (I3)."""

import asyncio
import random
from datetime import timedelta

import pytest
from tests.build import a_phone, a_principal, a_sender
from tests.conftest import ports_on

from consentry.flows import consents
from consentry.flows.append import Fact, Heads
from consentry.flows.consents import Ask
from consentry.flows.ports import Ports
from consentry.kernel.address import parse_recipient
from consentry.kernel.consent import Event
from consentry.kernel.directory import Principal, Sender
from consentry.rules import fold
from consentry.store.database import Database
from consentry.store.ledger import AddressKey, Evidence

_PURPOSES = ("all", "marketing", "otp", "topic:news")
_REPORTED = tuple(sorted(consents._CALLER_EVENTS - consents._PLATFORM_ONLY))


@pytest.fixture
async def ports(database: Database) -> Ports:
    """Ports whose records are on their way for a short time only."""
    return await ports_on(database, lease_s=0.1)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_kept_head_is_byte_for_byte_the_fold_of_its_records(ports: Ports, seed: int) -> None:
    chance = random.Random(seed)
    principal = await a_principal(ports)
    senders = [await a_sender(ports, principal) for _ in range(2)]
    phones = [a_phone() for _ in range(4)]

    await asyncio.gather(
        *(_happen(ports, principal, senders, phones, random.Random(chance.random())) for _ in range(8))
    )

    heads = await _heads(ports)
    assert sum(version for version, _ in heads.values()) == await _count(ports) > 200, f"seed {seed}"
    assert {key: await _folded(ports, key) for key in heads} == heads, f"seed {seed}"


async def _happen(
    ports: Ports, principal: Principal, senders: list[Sender], phones: list[str], chance: random.Random
) -> None:
    """Let things be reported one at a time, many at once, and by a platform, in a random order of their own times."""
    for _ in range(12):
        way = chance.randrange(3)
        if way == 0:
            await consents.record(ports, principal, _ask(senders, chance.choice(phones), chance))
        elif way == 1:
            await consents.record_many(
                ports, principal, [_ask(senders, p, chance) for p in chance.choices(phones, k=5)]
            )
        else:
            await _told(ports, senders, chance.choices(phones, k=3), chance)


def _ask(senders: list[Sender], phone: str, chance: random.Random) -> Ask:
    return Ask(
        address=phone,
        event=chance.choice(_REPORTED),
        purpose=chance.choice(_PURPOSES),
        sender=chance.choice(["all", *(sender.sid for sender in senders)]),
        source=chance.choice(["web_form", "import"]),
        evidence=chance.choice([None, "I agree"]),
    )


async def _told(ports: Ports, senders: list[Sender], phones: list[str], chance: random.Random) -> None:
    async with ports.database.transaction() as connection:
        heads = Heads(ports, connection, senders[0].account_id)
        addresses = [parse_recipient(phone) for phone in phones]
        await heads.lock(addresses)
        for address in addresses:
            sender = chance.choice(senders)
            heads.append(
                Fact(
                    address=address,
                    event=chance.choice(list(Event)),
                    purpose=chance.choice(_PURPOSES),
                    sender=sender.sid,
                    origin=sender.sid,
                    source="webhook",
                    actor="person",
                    occurred_at=heads.now(address) - timedelta(seconds=chance.choice([0, 1, 5, 3600]), microseconds=7),
                    evidence=Evidence(b"{}", "application/json"),
                    lifts=chance.random() < 0.5,
                )
            )
        await heads.write()


async def _heads(ports: Ports) -> dict[AddressKey, tuple[int, bytes]]:
    async with ports.database.connection() as connection:
        return {
            AddressKey(row.lane, row.account_id, row.address_key): (row.version, row.state)
            async for row in ports.ledger.heads(connection)
        }


async def _folded(ports: Ports, key: AddressKey) -> tuple[int, bytes]:
    async with ports.database.connection() as connection:
        head = fold.fold([record async for record in ports.ledger.history(connection, key)])
    return head.version, fold.encode(head)


async def _count(ports: Ports) -> int:
    async with ports.database.connection() as connection:
        return int(await connection.fetchval("select count(*) from consent_record"))
