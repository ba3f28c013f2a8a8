"""What a sender's rate and concurrency let go."""

import asyncio

from tests.build import a_draft, a_grant, a_phone, a_principal, a_sender
from tests.eventually import eventually

from consentry.app import Process
from consentry.kernel.ids import from_sid


async def test_a_sender_with_a_rate_sends_no_faster_than_that(process: Process) -> None:
    ports, acceptor = process.ports, process.services.acceptor
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal, rate_per_s=20.0), a_phone()
    await a_grant(ports, principal, phone)

    await asyncio.gather(*(acceptor.submit(a_draft(sender, phone, body=str(n))) for n in range(15)))

    address = a_draft(sender, phone).to
    key = ports.key(sender.account_id, address)

    async def received() -> list[float] | None:
        async with ports.database.connection() as connection:
            rows = await ports.phones.messages(connection, sender.account_id, key.key, ["sms"])
        return [row.handed_off_at.timestamp() for row in rows] if len(rows) == 15 else None

    times = await eventually(received)
    # 15 messages at 20 a second need 14 intervals; a short burst of 0.1 s is let through at once.
    assert times[-1] - times[0] >= 14 / 20 - 0.15


async def test_a_canceled_message_is_never_handed_off(process: Process) -> None:
    ports, acceptor = process.ports, process.services.acceptor
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal, paused=True), a_phone()
    await a_grant(ports, principal, phone)
    accepted = await acceptor.submit(a_draft(sender, phone))
    message_id = from_sid(accepted.sid, "SM")

    async with ports.database.connection() as connection:
        assert await ports.messages.cancel(connection, sender.account_id, message_id)
        assert not await ports.messages.cancel(connection, sender.account_id, message_id)
        row = await ports.messages.get(connection, sender.account_id, message_id)

    assert row is not None
    assert row.status == "canceled"
