"""Migrations are applied once, in order, by one migrator at a time, and what was applied never changes."""

import asyncio
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import Clone, Server

from consentry.kernel.errors import Conflict, Invalid, Unavailable
from consentry.settings import bundled
from consentry.store import safety
from consentry.store.database import Database
from consentry.store.migrate import available, compare, migrate
from consentry.store.rows import MigrationRow

OWNER = "consentry_owner"
_numbers = itertools.count()


@pytest.fixture
def empty(postgres: Server) -> Iterator[Clone]:
    """A database with nothing in it, which the owner role owns."""
    name = f"consentry_empty_{os.getpid()}_{next(_numbers)}"
    asyncio.run(run(postgres.admin_url, f"create database {name} owner {OWNER}"))
    yield Clone(postgres, name)
    asyncio.run(run(postgres.admin_url, f"drop database {name} with (force)"))


@pytest.fixture
def sql(tmp_path: Path) -> Path:
    """A folder like `sql`, with two small migrations."""
    folder = tmp_path / "sql"
    (folder / "migrations").mkdir(parents=True)
    (folder / "roles.sql").write_text("grant select on schema_migration to consentry_app;\n")
    write(folder, "0001_pre_first", "create table first (id int);")
    write(folder, "0002_pre_second", "alter table first add column more int;")
    return folder


def write(sql: Path, name: str, text: str) -> None:
    """Write a migration."""
    (sql / "migrations" / f"{name}.sql").write_text(text)


async def run(url: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def names(url: str) -> list[str]:
    """Give the migrations that a database says it has, in the order in which it had them."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select name from schema_migration order by applied_at, name")
    finally:
        await connection.close()
    return [row["name"] for row in rows]


async def test_migrations_are_applied_in_order_and_once(empty: Clone, sql: Path) -> None:
    assert await migrate(empty.url(OWNER), sql) == ["0001_pre_first", "0002_pre_second"]
    assert await migrate(empty.url(OWNER), sql) == []
    assert await names(empty.url(OWNER)) == ["0001_pre_first", "0002_pre_second"]


async def test_the_migrations_of_the_package_can_be_applied_again_without_effect(empty: Clone) -> None:
    wanted = [migration.name for migration in available(bundled("sql"))]
    assert await migrate(empty.url(OWNER), bundled("sql")) == wanted
    assert await migrate(empty.url(OWNER), bundled("sql")) == []


async def test_a_newer_program_applies_only_what_is_new(empty: Clone, sql: Path) -> None:
    await migrate(empty.url(OWNER), sql)
    write(sql, "0003_pre_third", "create table third (id int);")
    assert await migrate(empty.url(OWNER), sql) == ["0003_pre_third"]


async def test_what_runs_after_the_old_code_is_gone_can_wait(empty: Clone, sql: Path) -> None:
    write(sql, "0002_post_second", "alter table first drop column id;")
    assert await migrate(empty.url(OWNER), sql, phases=("pre",)) == ["0001_pre_first", "0002_pre_second"]
    assert await migrate(empty.url(OWNER), sql) == ["0002_post_second"]


async def test_a_migration_that_has_changed_is_refused(empty: Clone, sql: Path) -> None:
    await migrate(empty.url(OWNER), sql)
    write(sql, "0002_pre_second", "alter table first add column other int;")
    write(sql, "0003_pre_third", "create table third (id int);")
    with pytest.raises(Conflict, match="0002_pre_second has changed"):
        await migrate(empty.url(OWNER), sql)
    assert await names(empty.url(OWNER)) == ["0001_pre_first", "0002_pre_second"]


async def test_a_database_of_a_newer_program_is_refused(empty: Clone, sql: Path) -> None:
    await migrate(empty.url(OWNER), sql)
    (sql / "migrations" / "0002_pre_second.sql").unlink()
    with pytest.raises(Conflict, match="0002_pre_second, which this program does not know"):
        await migrate(empty.url(OWNER), sql)


async def test_a_migration_that_fails_leaves_nothing_and_is_tried_again(empty: Clone, sql: Path) -> None:
    write(sql, "0002_pre_second", "create table half (id int); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty.url(OWNER), sql)
    assert await names(empty.url(OWNER)) == ["0001_pre_first"]
    write(sql, "0002_pre_second", "create table half (id int);")
    assert await migrate(empty.url(OWNER), sql) == ["0002_pre_second"]


async def test_two_migrators_at_once_apply_each_file_once(empty: Clone) -> None:
    both = await asyncio.gather(*(migrate(empty.url(OWNER), bundled("sql")) for _ in range(4)))
    assert sorted(name for applied in both for name in applied) == [m.name for m in available(bundled("sql"))]


async def test_a_server_that_is_not_there_is_unavailable(sql: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached as its owner"):
        await migrate("postgresql://nobody@127.0.0.1:1/none", sql)


@pytest.mark.parametrize(
    "name",
    [
        "1_pre_what",
        "0003_what",
        "0003_mid_what",
        "0003_pre_What",
        "0003_pre_",
        "0003-pre-what",
        "00003_pre_what",
        "0003_pre_what.old",
    ],
)
def test_a_file_name_off_the_rule_is_refused(sql: Path, name: str) -> None:
    write(sql, name, "select 1;")
    with pytest.raises(Invalid, match="the name must be NNNN_pre_what"):
        available(sql)


def test_a_number_given_twice_in_a_phase_is_refused(sql: Path) -> None:
    write(sql, "0002_pre_other", "select 1;")
    with pytest.raises(Invalid, match="0002_pre_other and 0002_pre_second have the same number"):
        available(sql)


def test_of_one_number_what_runs_before_the_new_code_comes_first(sql: Path) -> None:
    write(sql, "0002_post_again", "select 1;")
    assert [m.name for m in available(sql)] == ["0001_pre_first", "0002_pre_second", "0002_post_again"]


def test_the_migrations_of_the_package_are_numbered_without_gaps() -> None:
    numbers = {int(migration.name[:4]) for migration in available(bundled("sql"))}
    assert numbers == set(range(1, len(numbers) + 1))


def test_comparing_gives_what_is_missing_in_order(sql: Path) -> None:
    first, second = available(sql)
    assert compare([first, second], []) == [first, second]
    assert compare([first, second], [MigrationRow(second.name, second.checksum)]) == [first]


async def test_the_app_refuses_a_database_that_lacks_a_migration(clone: Clone, tmp_path: Path) -> None:
    newer = tmp_path / "sql"
    shutil.copytree(bundled("sql"), newer)
    write(newer, "9998_post_later", "select 1;")
    database = Database(clone.url(), newer)
    await database.open()
    try:
        await safety.check(database, newer)
        write(newer, "9999_pre_newest", "select 1;")
        with pytest.raises(Conflict, match="lacks migration 9999_pre_newest; run: consentry migrate"):
            await safety.check(database, newer)
    finally:
        await database.close()


async def test_the_app_refuses_a_database_without_any_schema(empty: Clone) -> None:
    database = Database(empty.url(), bundled("sql"))
    await database.open()
    try:
        with pytest.raises(Conflict, match="lacks migration 0001_pre_core; run: consentry migrate"):
            await safety.check(database, bundled("sql"))
    finally:
        await database.close()
