"""Messages as callers see them: fetch, list, cancel, redact, delete, and reports about them."""

from datetime import datetime

import msgspec

from consentry.kernel.ids import lane_of_id
from consentry.store.database import Connection, Database
from consentry.store.rows import AttemptRow, MessageIdRow, MessageRow, ReportedRow

NEWEST = b"\xff" * 16


class Filter(msgspec.Struct, frozen=True):
    """Which messages to list, newest first, behind an id."""

    before: bytes = NEWEST
    to: str | None = None
    from_: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    refused: bool = False


class Messages:
    """Statements about single messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, connection: Connection, account_id: int, message_id: bytes) -> MessageRow | None:
        """Give one message of an account."""
        lane = lane_of_id(message_id)
        return await self._database.maybe(connection, "message_get", MessageRow, lane, message_id, account_id)

    async def page(self, connection: Connection, account_id: int, wanted: Filter) -> list[MessageRow]:
        """Give a page of messages, newest first."""
        return await self._database.rows(
            connection,
            "message_list",
            MessageRow,
            account_id,
            wanted.before,
            wanted.to,
            wanted.from_,
            wanted.since,
            wanted.until,
            wanted.limit,
            wanted.refused,
        )

    async def cancel(self, connection: Connection, account_id: int, message_id: bytes) -> bool:
        """Cancel a waiting message; False if it does not wait any more."""
        return await self._touch(connection, "message_cancel", account_id, message_id)

    async def redact(self, connection: Connection, account_id: int, message_id: bytes) -> bool:
        """Take the words out of a message."""
        return await self._touch(connection, "message_redact", account_id, message_id)

    async def delete(self, connection: Connection, account_id: int, message_id: bytes) -> bool:
        """Take the personal data out of a message and hide it."""
        return await self._touch(connection, "message_delete", account_id, message_id)

    async def attempts(self, connection: Connection, message_id: bytes) -> list[AttemptRow]:
        """Give every hand-off of a message."""
        return await self._database.rows(connection, "attempts_of", AttemptRow, lane_of_id(message_id), message_id)

    async def find_by_provider_id(
        self, connection: Connection, account_id: int, sender_id: int, provider_message_id: str
    ) -> bytes | None:
        """Give the message that a provider's id stands for."""
        row = await self._database.maybe(
            connection, "message_by_provider_id", MessageIdRow, account_id, sender_id, provider_message_id
        )
        return None if row is None else row.message_id

    async def lock(self, connection: Connection, message_id: bytes) -> ReportedRow | None:
        """Lock a message that a report is about."""
        return await self._database.maybe(connection, "message_lock", ReportedRow, lane_of_id(message_id), message_id)

    async def report(
        self, connection: Connection, message_id: bytes, status: str, error_code: int | None, error_message: str | None
    ) -> None:
        """Write the state after a report; the row is locked."""
        await self._database.run(
            connection, "message_report", lane_of_id(message_id), message_id, status, error_code, error_message
        )

    async def _touch(self, connection: Connection, name: str, account_id: int, message_id: bytes) -> bool:
        row = await self._database.maybe(connection, name, MessageIdRow, lane_of_id(message_id), message_id, account_id)
        return row is not None
