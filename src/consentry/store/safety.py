"""Refuses a server or a role under which the guarantee would not hold (DESIGN §3.4, §5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import asyncpg

from consentry.kernel.errors import Conflict, Unavailable, UnsafeDatabase
from consentry.store.database import Connection, Database
from consentry.store.migrate import available, compare
from consentry.store.rows import MigrationRow, RoleRow, SettingRow

_OLDEST: Final = 150000
_ON: Final = {
    "fsync": "a crash would lose opt-outs that were acknowledged",
    "full_page_writes": "a crash could tear pages of the ledger",
}
_SYNCHRONOUS: Final = frozenset({"on", "remote_apply"})
_ADVICE: Final = "let CONSENTRY_DATABASE_URL name a login that is a member of consentry_app and nothing more"


async def check(database: Database, sql: Path) -> None:
    """Check settings, role and schema.

    Errors: UnsafeDatabase names the setting or right and the fix; Conflict if the schema is not the one of this program.
    """
    async with database.connection() as connection:
        settings = await database.rows(connection, "server_settings", SettingRow)
        refuse_settings({row.name: row.setting for row in settings})
        refuse_schema(sql, await _applied(database, connection))
        refuse_role(await database.one(connection, "role_check", RoleRow))


def refuse_settings(settings: Mapping[str, str]) -> None:
    """Refuse a server that may lose what it has acknowledged."""
    if int(settings["server_version_num"]) < _OLDEST:
        raise UnsafeDatabase(
            f"PostgreSQL {settings['server_version_num']} is too old; use 15 to 18", field="server_version"
        )
    for name, why in _ON.items():
        if settings[name] != "on":
            raise UnsafeDatabase(f"{name} is {settings[name]}: {why}; set {name} = on", field=name)
    if settings["synchronous_commit"] not in _SYNCHRONOUS:
        text = (
            f"synchronous_commit is {settings['synchronous_commit']}: an acknowledged opt-out could be lost; set it on"
        )
        raise UnsafeDatabase(text, field="synchronous_commit")
    if settings["transaction_read_only"] == "on":
        raise UnsafeDatabase("the server is read-only; use the primary", field="transaction_read_only")


def refuse_role(role: RoleRow) -> None:
    """Refuse a login that could change the ledger or see past row security."""
    if role.in_recovery:
        raise UnsafeDatabase(
            "the server is in recovery (a replica); the gate must see the primary", field="database_url"
        )
    for wrong, what in (
        (role.superuser, "is a superuser"),
        (role.bypasses_rls, "bypasses row security"),
        (role.owns_tables, "owns the tables"),
        (role.can_change_ledger, "may change the ledger"),
    ):
        if wrong:
            raise UnsafeDatabase(f"the database role {role.role} {what}; {_ADVICE}", field="database_url")


def refuse_schema(sql: Path, applied: list[MigrationRow]) -> None:
    """Refuse a schema older or newer than this program."""
    missing = [m.name for m in compare(available(sql), applied) if m.phase == "pre"]
    if missing:
        raise Conflict(f"the database lacks migration {missing[0]}; run: consentry migrate", field="database_url")


async def _applied(database: Database, connection: Connection) -> list[MigrationRow]:
    try:
        return await database.rows(connection, "schema_versions", MigrationRow)
    except asyncpg.UndefinedTableError:
        return []
    except asyncpg.InsufficientPrivilegeError as error:
        raise UnsafeDatabase(f"the database role may not read the schema; {_ADVICE}", field="database_url") from error


async def check_reachable(database: Database) -> None:
    """Errors: Unavailable if the primary does not answer, or is no primary any more."""
    async with database.connection() as connection:
        role = await database.one(connection, "role_check", RoleRow)
    if role.in_recovery:
        raise Unavailable("the server is in recovery")
