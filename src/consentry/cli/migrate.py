"""`consentry migrate`: bring the schema up to date as the owner of the tables, or tell what is missing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import click

from consentry.cli import output
from consentry.embedded import EmbeddedServer
from consentry.kernel.errors import Invalid
from consentry.settings import Settings, bundled
from consentry.store.database import Connection, Database
from consentry.store.migrate import available, compare, migrate
from consentry.store.rows import MigrationRow

_NO_TABLE: Final = "42P01"
_NO_RIGHT: Final = "42501"
_LOGIN: Final = "consentry"


def run(settings: Settings, *, check: bool, as_json: bool) -> int:
    """Apply what is missing, or with `check` only tell; give the exit code. Errors: as `store.migrate`, with the fix."""
    if check:
        missing = _missing(settings)
        if as_json:
            output.as_json({"missing": missing})
        else:
            click.echo("\n".join(f"missing  {name}" for name in missing) or "Up to date: nothing is missing.")
        return 1 if missing else 0
    with _owner(settings) as url:
        applied = asyncio.run(_applied(url))
    if as_json:
        output.as_json({"applied": applied})
    else:
        click.echo("\n".join(f"applied  {name}" for name in applied) or "Up to date: nothing to apply.")
    as_app = settings.owner_url is not None and settings.database_url not in (None, settings.owner_url)
    embedded = settings.owner_url is None and settings.database_url is None
    if not as_app and not embedded:
        click.echo(next_steps(url), err=True)
    return 0


def next_steps(owner_url: str) -> str:
    """Say how to make the login under which the gateway runs: it owns nothing, so it cannot change the ledger."""
    parts = urlsplit(owner_url)
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{_LOGIN}:PASSWORD@{host}"))
    return (
        "\nNext: the gateway must not run as the owner. Make it a login of its own, once:\n\n"
        f"  create role {_LOGIN} login password 'PASSWORD' in role consentry_app;\n\n"
        f"and start it with:\n\n  CONSENTRY_DATABASE_URL='{url}' consentry serve"
    )


async def schema_missing(database: Database, connection: Connection, sql: Path) -> list[str]:
    """Give the names of migrations that a database lacks. Errors: Conflict as `store.migrate.compare`."""
    try:
        applied = await database.rows(connection, "schema_versions", MigrationRow)
    except Exception as error:
        if getattr(error, "sqlstate", None) != _NO_TABLE:
            raise
        applied = []  # an empty database
    return [migration.name for migration in compare(available(sql), applied)]


def _missing(settings: Settings) -> list[str]:
    given = settings.database_url or settings.owner_url
    if given is not None:
        return asyncio.run(_asked(given))
    if not (settings.data_dir / "postgres").exists():
        return [migration.name for migration in available(bundled("sql"))]
    embedded = EmbeddedServer.open(settings.data_dir)
    try:
        return asyncio.run(_asked(embedded.dsn("app")))
    finally:
        embedded.close()


async def _asked(url: str) -> list[str]:
    sql = bundled("sql")
    database = Database(url, sql, size=2)
    await database.open()
    try:
        async with database.connection() as connection:
            return await schema_missing(database, connection, sql)
    finally:
        await database.close()


@contextmanager
def _owner(settings: Settings) -> Iterator[str]:
    given = settings.owner_url or settings.database_url
    if given is not None:
        yield given
        return
    embedded = EmbeddedServer.open(settings.data_dir)
    try:
        yield embedded.dsn("owner")
    finally:
        embedded.close()


async def _applied(url: str) -> list[str]:
    try:
        return await migrate(url, bundled("sql"))
    except ValueError as error:  # how the driver refuses a URL
        raise Invalid(f"the database URL cannot be read ({error})", field="CONSENTRY_OWNER_URL") from error
    except Exception as error:
        if getattr(error, "sqlstate", None) != _NO_RIGHT:
            raise
        text = f"this login may not change the schema ({error}); let CONSENTRY_OWNER_URL name the owner of the database"
        raise Invalid(text, field="CONSENTRY_OWNER_URL") from error
