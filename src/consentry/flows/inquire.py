"""Look at messages and their decisions, cancel, redact, delete: what an account does with what it has sent."""

from consentry.flows.ports import Ports
from consentry.kernel.errors import NotFound
from consentry.store.messages import Filter
from consentry.store.rows import AttemptRow, MessageRow


async def message(ports: Ports, account_id: int, message_id: bytes) -> MessageRow:
    """Give one message of an account. Errors: NotFound, also for a foreign one and a refused one on Twilio's routes."""
    async with ports.database.connection() as connection:
        row = await ports.messages.get(connection, account_id, message_id)
    if row is None:
        raise NotFound("no such message")
    return row


async def attempts(ports: Ports, message_id: bytes) -> list[AttemptRow]:
    """Give every hand-off of a message that the caller was shown to own."""
    async with ports.database.connection() as connection:
        return await ports.messages.attempts(connection, message_id)


async def messages(ports: Ports, account_id: int, wanted: Filter) -> list[MessageRow]:
    """Give a page of messages, newest first."""
    async with ports.database.connection() as connection:
        return await ports.messages.page(connection, account_id, wanted)


async def cancel(ports: Ports, account_id: int, message_id: bytes) -> bool:
    """Cancel a waiting message; False if it was handed off, or is done."""
    async with ports.database.connection() as connection:
        return await ports.messages.cancel(connection, account_id, message_id)


async def redact(ports: Ports, account_id: int, message_id: bytes) -> None:
    """Take the words out of a message."""
    async with ports.database.connection() as connection:
        await ports.messages.redact(connection, account_id, message_id)


async def delete(ports: Ports, account_id: int, message_id: bytes) -> None:
    """Take the personal data out of a message and hide it; its decision stays."""
    async with ports.database.connection() as connection:
        await ports.messages.delete(connection, account_id, message_id)
