"""The outbox: accept, claim, hand off, settle, rescue; every statement works on a batch.

A message has an outbox row as long as it has not been handed off; taking that row is how a hand-off, a cancel and a
second worker exclude each other. From then on the attempt row with its lease stands for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from consentry.store.database import Connection, Database, as_json
from consentry.store.ledger import AddressKey
from consentry.store.rows import ClaimedRow, DepthRow, MessageIdRow, PaceRow, SettledRow

ALL_LANES = "{" + ",".join(map(str, range(256))) + "}"
"""Every lane, as PostgreSQL writes an array."""


class NewMessage(msgspec.Struct, frozen=True):
    """One message to write; with a `due_at` it enters the outbox."""

    lane: int
    message_id: bytes
    account_id: int
    address_key: bytes
    sender_id: int
    channel: str
    direction: str
    from_address: str
    to_address: str
    body: str
    media: str | None
    num_segments: int
    purpose: str
    status: str
    error_code: int | None
    error_message: str | None
    decision: bytes
    cause_record_id: bytes | None
    cause_at: datetime | None
    status_callback: str | None
    valid_until: datetime | None
    created_at: datetime
    due_at: datetime | None


class HandOff(msgspec.Struct, frozen=True):
    """One decided message that asks for its lease."""

    lane: int
    message_id: bytes
    attempt_no: int
    account_id: int
    address_key: bytes
    sender_id: int
    version: int
    decision: bytes


class Settled(msgspec.Struct, frozen=True):
    """What became of one hand-off; `retry_s` puts it back."""

    lane: int
    message_id: bytes
    attempt_no: int
    state: str
    provider_message_id: str | None
    error_class: str | None
    provider_code: str | None
    status: str
    error_code: int | None
    error_message: str | None
    retry_s: float | None


class Refusal(msgspec.Struct, frozen=True):
    """One message that the gate ended at hand-off."""

    lane: int
    message_id: bytes
    attempt_no: int
    error_code: int | None
    error_message: str | None
    decision: bytes


class Deferral(msgspec.Struct, frozen=True):
    """One message to put back for later."""

    lane: int
    message_id: bytes
    attempt_no: int
    delay_s: float


class Outbox:
    """Statements of the pipeline; each is one synchronous commit unless it runs in a flow's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heads(self, connection: Connection, keys: Sequence[AddressKey]) -> Sequence[Any]:
        """Give (version, state, now) for each key, in order; a missing head is version 0, `now` stands in the first."""
        return await self._database.raw(connection, "accept_heads", as_json(keys))

    async def accept(self, connection: Connection, messages: Sequence[NewMessage]) -> None:
        """Write a batch of messages with their decisions."""
        await self._database.run(connection, "accept_insert", as_json(messages))

    async def claim(self, connection: Connection, lanes: str, limit: int, hold_s: float) -> list[ClaimedRow]:
        """Take due messages, with their heads and what the gate must know of their senders."""
        return await self._database.rows(connection, "outbox_claim", ClaimedRow, lanes, limit, hold_s)

    async def ensure_heads(self, connection: Connection, keys: Sequence[AddressKey]) -> None:
        """Make the rows that hand-offs lock, where they are missing."""
        await self._database.run(connection, "heads_create", as_json(keys))

    async def hand_off(self, connection: Connection, batch: Sequence[HandOff], lease_s: float) -> set[bytes]:
        """Lease the attempts whose heads are still the ones decided on; give the ids of those messages."""
        lanes = "{" + ",".join(str(lane) for lane in {attempt.lane for attempt in batch}) + "}"
        rows = await self._database.raw(connection, "hand_off", lanes, as_json(batch), lease_s)
        return {row["message_id"] for row in rows}

    async def defer(self, connection: Connection, batch: Sequence[Deferral]) -> None:
        """Put claimed messages back for later."""
        await self._database.run(connection, "outbox_defer", as_json(batch))

    async def refuse(
        self, connection: Connection, batch: Sequence[Refusal], movable: Sequence[str]
    ) -> list[SettledRow]:
        """End messages that the gate refused at hand-off; give those that ended now."""
        return await self._database.rows(connection, "outbox_refuse", SettledRow, as_json(batch), movable)

    async def settle(self, connection: Connection, batch: Sequence[Settled]) -> list[SettledRow]:
        """Write what became of hand-offs; give the messages that moved."""
        return await self._database.rows(connection, "settle", SettledRow, as_json(batch))

    async def rescue(self, connection: Connection, *, older_than_s: float, limit: int) -> list[MessageIdRow]:
        """Turn attempts whose worker never came back into unknown ones."""
        return await self._database.rows(connection, "rescue", MessageIdRow, older_than_s, limit)

    async def depth(self, connection: Connection) -> DepthRow:
        """Give how much waits and how old it is."""
        return await self._database.one(connection, "outbox_depth", DepthRow)

    async def take_slots(
        self, connection: Connection, sender_id: int, want: int, interval_s: float, burst_s: float
    ) -> PaceRow:
        """Take send slots of a sender with a rate, as many as there are now; all workers share its pace."""
        await self._database.run(connection, "pace_create", sender_id)
        return await self._database.one(connection, "pace_take", PaceRow, sender_id, want, interval_s, burst_s)
