"""A pause is exact: once it has answered, no hand-off of the sender begins, however early it was decided."""

import asyncio

import pytest
from tests.build import a_draft, a_grant, a_phone, a_principal, a_sender
from tests.eventually import eventually

from consentry.app import Process
from consentry.flows import senders
from consentry.flows.senders import SenderChange
from consentry.kernel import failpoints


@pytest.mark.parametrize("everything", [False, True], ids=["one sender", "kill switch"])
async def test_what_was_decided_before_a_pause_does_not_begin_after_it(process: Process, *, everything: bool) -> None:
    ports = process.ports
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal), a_phone()
    await a_grant(ports, principal, phone)
    decided, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        decided.set()
        await go_on.wait()

    failpoints.ACTIVE["dispatch.decided"] = hold
    try:
        await process.services.acceptor.submit(a_draft(sender, phone))
        await asyncio.wait_for(decided.wait(), 5)
        if everything:
            await senders.pause_all(ports, paused=True)
        else:
            shape = process.services.providers["simulator"].configuration
            await senders.change_sender(ports, principal, sender.sid, shape, SenderChange(paused=True))
    finally:
        del failpoints.ACTIVE["dispatch.decided"]
        go_on.set()

    async def put_back() -> int | None:
        async with ports.database.connection() as connection:
            # Put back by the gate for a second; a claim alone holds a message for ten.
            return await connection.fetchval(
                "select 1 from outbox where due_at between clock_timestamp() and clock_timestamp() + interval '2 s'"
            )

    await eventually(put_back)
    async with ports.database.connection() as connection:
        assert await connection.fetchval("select count(*) from simulator_message") == 0
