"""Answers kept for idempotency keys, for a week: a send cannot be taken back."""

from consentry.store.database import Connection, Database
from consentry.store.rows import GotRow, IdempotencyRow, ReservedRow


class Answers:
    """Statements about idempotency keys; all of them belong to the transaction of the work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def alone(self, connection: Connection, key_hash: bytes) -> bool:
        """Tell whether no other request with this key is under way, and keep it so until the transaction ends."""
        number = int.from_bytes(key_hash[:8], "big", signed=True)
        return (await self._database.one(connection, "idempotency_lock", GotRow, number)).got

    async def reserve_key(self, connection: Connection, account_id: int, key_hash: bytes, request_hash: bytes) -> bool:
        """Claim an idempotency key in this transaction; False if it was claimed before."""
        row = await self._database.maybe(
            connection, "idempotency_reserve", ReservedRow, key_hash[0], account_id, key_hash, request_hash
        )
        return row is not None

    async def kept_answer(self, connection: Connection, account_id: int, key_hash: bytes) -> IdempotencyRow | None:
        """Give what the first request with a key answered."""
        return await self._database.maybe(
            connection, "idempotency_get", IdempotencyRow, key_hash[0], account_id, key_hash
        )

    async def keep_answer(
        self, connection: Connection, account_id: int, key_hash: bytes, status: int, body: bytes, content_type: str
    ) -> None:
        """Keep the answer of a request with a key, in the transaction of its work."""
        await self._database.run(
            connection, "idempotency_finish", key_hash[0], account_id, key_hash, status, body, content_type
        )
