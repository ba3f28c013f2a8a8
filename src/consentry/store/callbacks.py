"""Deliveries to customers' servers: queued with their cause, claimed, done, failed, dead."""

from collections.abc import Sequence

import msgspec

from consentry.store.database import Connection, Database, as_json
from consentry.store.rows import CallbackRow


class NewCallback(msgspec.Struct, frozen=True):
    """One delivery to queue."""

    lane: int
    callback_id: bytes
    account_id: int
    sender_id: int
    message_id: bytes
    kind: str
    url: str
    method: str
    fallback_url: str | None
    fallback_method: str
    params: bytes
    token: str


class Callbacks:
    """Statements of the callback queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def enqueue(self, connection: Connection, batch: Sequence[NewCallback]) -> None:
        """Queue deliveries in the transaction of their cause."""
        if batch:
            await self._database.run(connection, "callback_enqueue", as_json(batch))

    async def claim(self, connection: Connection, lanes: str, limit: int, hold_s: float) -> list[CallbackRow]:
        """Take due deliveries for a moment."""
        return await self._database.rows(connection, "callback_claim", CallbackRow, lanes, limit, hold_s)

    async def done(self, connection: Connection, row: CallbackRow, status: int) -> None:
        """Note that the customer's server has it."""
        await self._database.run(connection, "callback_done", row.lane, row.callback_id, status)

    async def failed(
        self, connection: Connection, row: CallbackRow, error: int, status: int | None, retry_s: float | None
    ) -> None:
        """Note that it did not arrive; without `retry_s` it is a dead letter."""
        await self._database.run(connection, "callback_failed", row.lane, row.callback_id, error, status, retry_s)

    async def postpone(self, connection: Connection, row: CallbackRow, delay_s: float) -> None:
        """Put a claimed delivery back: its account has enough under way."""
        await self._database.run(connection, "callback_postpone", row.lane, row.callback_id, delay_s)
