"""The phones of the simulator: what they received, whom they block, and the script they follow."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from consentry.store.database import Connection, Database, as_json
from consentry.store.rows import PhoneBehaviourRow, PhoneMessageRow, PhoneRow

_MOST = 1000


class PhoneMessage(msgspec.Struct, frozen=True):
    """One message that reached a phone."""

    lane: int
    message_id: bytes
    attempt_no: int
    account_id: int
    address_key: bytes
    sender_id: int
    channel: str
    from_address: str
    to_address: str
    body: str
    handed_off_at: datetime


class Phones:
    """Statements about simulated phones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def receive(self, connection: Connection, batch: Sequence[PhoneMessage]) -> None:
        """Let phones receive a batch."""
        await self._database.run(connection, "phone_receive", as_json(batch))

    async def behaving(
        self, connection: Connection, batch: Sequence[PhoneMessage]
    ) -> dict[tuple[int, bytes, int], PhoneBehaviourRow]:
        """Give the phones of a batch that block or follow a script, by account, key and sender."""
        rows = await self._database.rows(connection, "phones_behaving", PhoneBehaviourRow, as_json(batch))
        return {(row.account_id, row.address_key, row.sender_id): row for row in rows}

    async def messages(
        self, connection: Connection, account_id: int, address_key: bytes, channels: Sequence[str]
    ) -> list[PhoneMessageRow]:
        """Give what one phone shows on some channels, oldest first; the newest thousand."""
        return await self._database.rows(
            connection, "phone_messages", PhoneMessageRow, account_id, address_key, channels, _MOST
        )

    async def get(
        self, connection: Connection, lane: int, account_id: int, key: bytes, sender_id: int
    ) -> PhoneRow | None:
        """Give how a phone behaves towards a sender."""
        return await self._database.maybe(connection, "phone_get", PhoneRow, lane, account_id, key, sender_id)

    async def set(
        self,
        connection: Connection,
        lane: int,
        account_id: int,
        key: bytes,
        sender_id: int,
        *,
        blocked: bool,
        script: bytes,
    ) -> None:
        """Set how a phone behaves towards a sender."""
        await self._database.run(connection, "phone_set", lane, account_id, key, sender_id, blocked, script)
