"""Applies `sql/migrations` in order, forward only, each once, under a lock; then the rights of `sql/roles.sql`.

A file is `NNNN_pre_what.sql` (before the new code runs) or `NNNN_post_what.sql` (after the old code is gone). A file that
was applied must never change: its checksum is compared at every start.
"""

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import asyncpg
import msgspec

from consentry.kernel.errors import Conflict, Invalid, Unavailable
from consentry.store.rows import MigrationRow

_NAME = re.compile(r"(\d{4})_(pre|post)_[a-z0-9_]+\.sql")
_LOCK: Final = 7_203_111_905_544_013  # any constant: it is the lock of migrations in this database
_TABLE: Final = """
create table if not exists schema_migration (
  name text primary key, checksum bytea not null, applied_at timestamptz not null default now()
)"""
_ROLES: Final = ("consentry_app", "consentry_reader")


class Migration(msgspec.Struct, frozen=True):
    """One file."""

    name: str
    phase: Literal["pre", "post"]
    text: str
    checksum: bytes


def available(sql: Path) -> list[Migration]:
    """Give the migrations in order, pre before post. Errors: Invalid for a bad name, or a number twice in a phase."""
    found: list[Migration] = []
    for file in sorted((sql / "migrations").glob("*.sql")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            raise Invalid(f"sql/migrations/{file.name}: the name must be NNNN_pre_what.sql or NNNN_post_what.sql")
        raw = file.read_bytes()
        phase: Literal["pre", "post"] = "pre" if match.group(2) == "pre" else "post"
        found.append(Migration(file.stem, phase, raw.decode(), hashlib.sha256(raw).digest()))
    found.sort(key=lambda migration: (migration.name[:4], migration.phase == "post"))
    for before, after in pairwise(found):
        if (before.name[:4], before.phase) == (after.name[:4], after.phase):
            raise Invalid(f"sql/migrations: {before.name} and {after.name} have the same number; give one the next")
    return found


def compare(wanted: Sequence[Migration], applied: Sequence[MigrationRow]) -> list[Migration]:
    """Give what is still to be applied.

    Errors: Conflict if an applied file has changed, or if the database has seen files that this program has not.
    """
    known = {migration.name: migration for migration in wanted}
    for row in applied:
        if row.name not in known:
            raise Conflict(
                f"the database has migration {row.name}, which this program does not know; run a newer program"
            )
        if known[row.name].checksum != row.checksum:
            raise Conflict(f"migration {row.name} has changed since it was applied; write a new one instead")
    done = {row.name for row in applied}
    return [migration for migration in wanted if migration.name not in done]


async def migrate(owner_dsn: str, sql: Path, *, phases: Sequence[str] = ("pre", "post")) -> list[str]:
    """Bring a database up to date as its owner, and give the names that were applied.

    Errors: Conflict as `compare`; Unavailable if the server cannot be reached; Invalid if a role is missing and this
    login may not create it.
    """
    try:
        connection = await asyncpg.connect(owner_dsn, timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable(f"the database cannot be reached as its owner ({type(error).__name__}: {error})") from error
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        await _ensure_roles(connection)
        await connection.execute(_TABLE)
        rows = await connection.fetch("select name, checksum from schema_migration order by name")
        applied = [MigrationRow(*row.values()) for row in rows]
        todo = [m for m in compare(available(sql), applied) if m.phase in phases]
        for migration in todo:
            await _apply(connection, migration)
        await connection.execute((sql / "roles.sql").read_text())
        return [migration.name for migration in todo]
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '5s'")
            await connection.execute(migration.text)
            await connection.execute(
                "insert into schema_migration (name, checksum) values ($1, $2)", migration.name, migration.checksum
            )
    except asyncpg.LockNotAvailableError as error:
        text = f"migration {migration.name}: a table is in use; nothing was changed, try again when it is quieter"
        raise Unavailable(text) from error
    except asyncpg.InsufficientPrivilegeError as error:
        text = f"migration {migration.name}: this login may not do it ({error}); use the owner of the database"
        raise Invalid(text, field="CONSENTRY_OWNER_URL") from error


async def _ensure_roles(connection: asyncpg.Connection) -> None:
    for role in _ROLES:
        if await connection.fetchval("select 1 from pg_roles where rolname = $1", role) is None:
            try:
                await connection.execute(f"create role {role} nologin nosuperuser nobypassrls")
            except asyncpg.InsufficientPrivilegeError as error:
                text = f"role {role} is missing and this login may not create it; ask for: create role {role} nologin"
                raise Invalid(text, field="CONSENTRY_OWNER_URL") from error
            except asyncpg.DuplicateObjectError:
                pass  # another database of the same server was migrated at the same moment
