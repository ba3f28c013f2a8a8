"""The ledger: lock a head, append a record with its evidence, wait until no live lease remains."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.consent import Event, Record
from consentry.kernel.errors import Unavailable
from consentry.store.database import Connection, Database, as_json
from consentry.store.rows import CountRow, HeadKeyRow, LockedRow, ReceiptRow, RecordRow

_SALT_BYTES: Final = 16
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.05
_PAGE: Final = 500


class AddressKey(msgspec.Struct, frozen=True):
    """Where an address stands in the ledger."""

    lane: int
    account_id: int
    key: bytes


class Evidence(msgspec.Struct, frozen=True):
    """What was seen: the raw bytes and their type, with the salt under which a record commits to them."""

    body: bytes
    content_type: str
    salt: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(_SALT_BYTES))

    def commitment(self) -> bytes:
        """Give sha256(salt || body): it says nothing once salt and body are erased."""
        return hashlib.sha256(self.salt + self.body).digest()


class Entry(msgspec.Struct, frozen=True):
    """A record to write, the address that its key stands for, and what was seen."""

    record: Record
    address: str
    evidence: Evidence | None


class KeptHead(msgspec.Struct, frozen=True):
    """A head as it is stored."""

    key: AddressKey
    version: int
    state: bytes


class Ledger:
    """Statements of the ledger; transactions belong to the flows."""

    def __init__(self, database: Database, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._database = database
        self._pause = pause

    async def first_delivery(self, connection: Connection, address: AddressKey, event_key: bytes) -> bool:
        """Write the receipt of a signal, and tell whether it is the first: the second waits here for the first's commit."""
        row = await self._database.one(
            connection, "receipt_write", ReceiptRow, address.lane, address.account_id, event_key
        )
        return row.deliveries == 1

    async def lock(self, connection: Connection, keys: Sequence[AddressKey]) -> list[LockedRow]:
        """Lock heads FOR UPDATE in key order, making the rows that are missing, and read them."""
        lanes = "{" + ",".join(str(lane) for lane in {key.lane for key in keys}) + "}"
        await self._database.run(connection, "heads_create", as_json(keys))
        return await self._database.rows(connection, "heads_lock", LockedRow, lanes, as_json(keys))

    async def write(self, connection: Connection, entries: Sequence[Entry], heads: Sequence[KeptHead]) -> None:
        """Add records with their evidence and the names of their addresses, and write the heads after them."""
        given = as_json([_flat(entry) for entry in entries])
        kept = as_json([{**msgspec.structs.asdict(h.key), "version": h.version, "state": h.state} for h in heads])
        await self._database.run(connection, "ledger_write", given, kept)

    async def rewrite_head(self, connection: Connection, head: KeptHead) -> None:
        """Write a head that was rebuilt from its records."""
        key = head.key
        await self._database.run(connection, "head_write", key.lane, key.account_id, key.key, head.version, head.state)

    async def history(self, connection: Connection, address: AddressKey) -> AsyncIterator[Record]:
        """Give every record of an address, in the order in which they were written."""
        after = b""
        while True:
            rows = await self._database.rows(
                connection, "record_history", RecordRow, address.lane, address.account_id, address.key, after, _PAGE
            )
            for row in rows:
                yield _record(row)
            if len(rows) < _PAGE:
                return
            after = rows[-1].record_id

    async def heads(self, connection: Connection) -> AsyncIterator[HeadKeyRow]:
        """Give every kept head, in key order."""
        after: tuple[int, int, bytes] = (-1, -1, b"")
        while rows := await self._database.rows(connection, "heads_page", HeadKeyRow, *after, _PAGE):
            for row in rows:
                yield row
            after = (rows[-1].lane, rows[-1].account_id, rows[-1].address_key)

    async def heads_missing(self, connection: Connection) -> list[HeadKeyRow]:
        """Give the addresses that have records but no head."""
        return await self._database.rows(connection, "heads_missing", HeadKeyRow)

    async def wait_for_leases(self, address: AddressKey, version: int, *, at_most_s: float) -> None:
        """Wait until no hand-off that was decided on an older head may still begin. Leases are short, so this ends.

        Errors: Unavailable after `at_most_s`: nothing may be acknowledged then, and a repeated delivery waits again.
        """
        await self._wait("leases_live", (address.lane, address.account_id, address.key, version), at_most_s)

    async def wait_for_sender(self, sender_id: int, *, at_most_s: float) -> None:
        """The same for every hand-off of a sender: a pause is exact when this returns."""
        await self._wait("sender_leases_live", (sender_id,), at_most_s)

    async def wait_for_all(self, *, at_most_s: float) -> None:
        """The same for everything: the kill switch is exact when this returns."""
        await self._wait("all_leases_live", (), at_most_s)

    async def _wait(self, query: str, arguments: tuple[object, ...], at_most_s: float) -> None:
        pause, waited = _FIRST_PAUSE_S, 0.0
        while True:
            async with self._database.connection() as connection:
                row = await self._database.one(connection, query, CountRow, *arguments)
            if row.n == 0:
                return
            if waited > at_most_s:
                raise Unavailable("a hand-off is still under way; try again")
            await self._pause(pause)
            waited += pause
            pause = min(pause * 2, _LONGEST_PAUSE_S)


def _flat(entry: Entry) -> dict[str, object]:
    seen = entry.evidence
    return {
        **msgspec.structs.asdict(entry.record),
        "address": entry.address,
        "salt": seen.salt if seen else None,
        "content_type": seen.content_type if seen else None,
        "body": seen.body if seen else None,
    }


def _record(row: RecordRow) -> Record:
    return Record(**{**msgspec.structs.asdict(row), "channel": Channel(row.channel), "event": Event(row.event)})
