"""Migrations are applied as the owner, told by name, and what is missing has an exit code."""

import asyncio
import json
import os
from collections.abc import Iterator

import asyncpg
import pytest
from tests.cli.conftest import Run
from tests.conftest import Clone, Server

from consentry.cli.migrate import next_steps
from consentry.settings import bundled
from consentry.store.migrate import available

_NAMES = [migration.name for migration in available(bundled("sql"))]


async def execute(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def empty(postgres: Server) -> Iterator[Clone]:
    """A database in which nothing is."""
    name = f"consentry_empty_{os.getpid()}"
    asyncio.run(execute(postgres.admin_url, f"create database {name} owner consentry_owner"))
    yield Clone(postgres, name)
    asyncio.run(execute(postgres.admin_url, f"drop database {name} with (force)"))


def test_an_empty_database_lacks_everything_until_it_is_migrated(
    bare: Run, empty: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONSENTRY_OWNER_URL", empty.url("consentry_owner"))

    before, applied, after = bare("migrate", "--check"), bare("migrate"), bare("migrate", "--check")

    assert (before.exit_code, before.stdout.split()) == (1, [w for name in _NAMES for w in ("missing", name)])
    assert (applied.exit_code, applied.stdout.split()) == (0, [w for name in _NAMES for w in ("applied", name)])
    assert "in role consentry_app;" in applied.stderr
    assert after.exit_code == 0


def test_the_login_that_is_advised_runs_a_gateway(bare: Run, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = next_steps(clone.url("consentry_owner"))
    statement = next(line for line in advice.splitlines() if "create role" in line).strip()
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", advice.partition("CONSENTRY_DATABASE_URL='")[2].partition("'")[0])
    asyncio.run(execute(clone.admin_url, "drop role if exists consentry", statement))
    try:
        done = bare("account", "create", "Shop")
    finally:
        asyncio.run(execute(clone.admin_url, "drop role consentry"))

    assert done.exit_code == 0, done.output


def test_a_login_that_owns_nothing_may_not_migrate(run: Run) -> None:
    done = run("migrate")

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "CONSENTRY_OWNER_URL" in done.stderr


def test_without_any_data_everything_is_missing_and_nothing_is_made(bare: Run) -> None:
    done = bare("migrate", "--check", "--json")

    assert (done.exit_code, json.loads(done.stdout)) == (1, {"missing": _NAMES})
    assert not os.path.lexists(os.environ["CONSENTRY_DATA_DIR"])
