"""The connection pool, transactions, and the one place where driver errors become ours."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import msgspec

from consentry.kernel.errors import Conflict, Unavailable
from consentry.store import queries

_Row = TypeVar("_Row", bound=msgspec.Struct)
Connection: TypeAlias = Any
"""A connection of the driver, which ships no types."""

_SETTINGS = {
    "application_name": "consentry",
    "timezone": "UTC",
    "synchronous_commit": "on",
    "jit": "off",
    # Batches differ in size and every hot look-up is by primary key: a plan that hashes a whole table is never right.
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "statement_timeout": "10000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
}
_GONE = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)
_BUSY = (
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    TimeoutError,
)


_encode = msgspec.json.Encoder().encode


def as_json(batch: Sequence[Any]) -> str:
    """Write a batch as the one JSON text that batched statements take; bytes become base64."""
    return _encode(batch).decode()


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A pooled connection that is not reset by a query: nothing here leaves state in a session."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """One PostgreSQL through one pool; statements by name."""

    def __init__(self, dsn: str, sql: Path, *, size: int = 10) -> None:
        self._dsn = dsn
        self._size = size
        self._pool: asyncpg.Pool | None = None
        self.sql = queries.load(sql / "queries")

    async def open(self) -> None:
        """Connect. Errors: Unavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=2,
                max_size=self._size,
                connection_class=_Connection,
                server_settings=_SETTINGS,
                command_timeout=15,
                timeout=10,
                max_inactive_connection_lifetime=0,
            )
        except (*_GONE, *_BUSY, asyncpg.PostgresError) as error:
            raise Unavailable(f"the database cannot be reached ({type(error).__name__})") from error

    async def close(self) -> None:
        """Give every connection back; what hangs is cut off."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), 5)
            except (TimeoutError, *_GONE):
                pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; each statement on it is its own transaction. Errors: Unavailable."""
        if self._pool is None:
            raise Unavailable("the database is not open")
        try:
            async with self._pool.acquire(timeout=10) as connection:
                yield connection
        except (*_GONE, *_BUSY) as error:
            raise Unavailable(f"the database did not answer ({type(error).__name__})") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one READ COMMITTED transaction.

        Errors: Unavailable. It may also mean that the commit happened and its answer was lost; whoever retries must
        be idempotent.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def run(self, connection: Connection, name: str, *arguments: Any) -> None:
        """Run a statement that gives no rows."""
        await connection.execute(self.sql[name], *arguments)

    async def rows(self, connection: Connection, name: str, row: type[_Row], *arguments: Any) -> list[_Row]:
        """Run a statement and give its rows."""
        return [row(*record.values()) for record in await connection.fetch(self.sql[name], *arguments)]

    async def maybe(self, connection: Connection, name: str, row: type[_Row], *arguments: Any) -> _Row | None:
        """Run a statement and give its row, or None."""
        record = await connection.fetchrow(self.sql[name], *arguments)
        return None if record is None else row(*record.values())

    async def one(self, connection: Connection, name: str, row: type[_Row], *arguments: Any) -> _Row:
        """Run a statement that always gives a row."""
        found = await self.maybe(connection, name, row, *arguments)
        if found is None:
            raise LookupError(f"{name} gave no row")
        return found

    async def raw(self, connection: Connection, name: str, *arguments: Any) -> Sequence[Any]:
        """Run a statement on a hot path and give the driver's own records."""
        found: Sequence[Any] = await connection.fetch(self.sql[name], *arguments)
        return found


@asynccontextmanager
async def unique_or(text: str, *, field: str | None = None) -> AsyncIterator[None]:
    """Turn a broken unique key into a Conflict with this text."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise Conflict(text, field=field) from error
