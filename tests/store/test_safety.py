"""A server or a role under which an acknowledged opt-out could be lost, or the ledger changed, is refused by name."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import msgspec
import pytest
from tests.conftest import Clone

from consentry.kernel.errors import UnsafeDatabase
from consentry.settings import bundled
from consentry.store.database import Database
from consentry.store.rows import RoleRow
from consentry.store.safety import check, check_reachable, refuse_role, refuse_settings

SAFE = {
    "server_version_num": "180006",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "transaction_read_only": "off",
}
APP = RoleRow("consentry_app", False, False, False, False, False)


@dataclass(frozen=True)
class Guest:
    """A login of its own on a clone."""

    clone: Clone
    name: str

    @property
    def url(self) -> str:
        """Its URL."""
        return self.clone.url(self.name)

    async def given(self, *statements: str) -> None:
        """Let the superuser do something for it; `{me}` is its name."""
        connection = await asyncpg.connect(self.clone.admin_url)
        try:
            for statement in statements:
                await connection.execute(statement.format(me=self.name))
        finally:
            await connection.close()


@pytest.fixture
def guest(clone: Clone) -> Iterator[Guest]:
    """A login that is a member of consentry_app and nothing more."""
    found = Guest(clone, f"consentry_guest_{os.getpid()}")
    asyncio.run(
        found.given("create role {me} login password 'made-up-for-tests' inherit", "grant consentry_app to {me}")
    )
    yield found
    asyncio.run(found.given("drop owned by {me} cascade", "drop role {me}"))


async def checked(url: str) -> None:
    """Run the whole check of start-up under a login."""
    database = Database(url, bundled("sql"), size=2)
    await database.open()
    try:
        await check(database, bundled("sql"))
    finally:
        await database.close()


@pytest.mark.parametrize("version", ["150000", "160004", "180006", "190000"])
@pytest.mark.parametrize("commit", ["on", "remote_apply"])
def test_a_server_that_keeps_what_it_commits_is_accepted(version: str, commit: str) -> None:
    refuse_settings({**SAFE, "server_version_num": version, "synchronous_commit": commit})


@pytest.mark.parametrize(
    "name,value,field",
    [
        ("fsync", "off", "fsync"),
        ("full_page_writes", "off", "full_page_writes"),
        ("synchronous_commit", "off", "synchronous_commit"),
        ("synchronous_commit", "local", "synchronous_commit"),
        ("synchronous_commit", "remote_write", "synchronous_commit"),
        ("server_version_num", "140013", "server_version"),
        ("transaction_read_only", "on", "transaction_read_only"),
    ],
)
def test_a_server_that_could_lose_an_opt_out_is_refused(name: str, value: str, field: str) -> None:
    with pytest.raises(UnsafeDatabase) as caught:
        refuse_settings({**SAFE, name: value})
    assert caught.value.field == field
    assert value in caught.value.text or field == "transaction_read_only"


def test_the_app_role_is_accepted() -> None:
    refuse_role(APP)


@pytest.mark.parametrize(
    "wrong,words",
    [
        ("in_recovery", "in recovery"),
        ("superuser", "consentry_app is a superuser"),
        ("bypasses_rls", "bypasses row security"),
        ("owns_tables", "owns the tables"),
        ("can_change_ledger", "may change the ledger"),
    ],
)
def test_a_role_that_could_change_the_ledger_is_refused(wrong: str, words: str) -> None:
    with pytest.raises(UnsafeDatabase, match=words) as caught:
        refuse_role(msgspec.structs.replace(APP, **{wrong: True}))
    assert caught.value.field == "database_url"


async def test_the_app_role_passes_the_check_of_a_real_server(clone: Clone) -> None:
    await checked(clone.url())


async def test_a_login_that_is_only_a_member_of_the_app_role_passes(guest: Guest) -> None:
    await checked(guest.url)


async def test_the_owner_is_refused(clone: Clone) -> None:
    with pytest.raises(UnsafeDatabase, match="consentry_owner owns the tables"):
        await checked(clone.url("consentry_owner"))


async def test_the_superuser_is_refused(clone: Clone) -> None:
    with pytest.raises(UnsafeDatabase, match="is a superuser"):
        await checked(clone.admin_url)


async def test_the_reader_cannot_write(clone: Clone) -> None:
    connection = await asyncpg.connect(clone.url("consentry_reader"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("delete from consent_head")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement,words",
    [
        ("alter role {me} bypassrls", "bypasses row security"),
        ("grant consentry_owner to {me}", "owns the tables"),
        ("grant update on consent_record to {me}", "may change the ledger"),
        ("grant delete on consent_record to {me}", "may change the ledger"),
        ("grant truncate on consent_record to {me}", "may change the ledger"),
        ("revoke consentry_app from {me}", "may not read the schema"),
        ("alter role {me} set default_transaction_read_only = on", "read-only"),
    ],
)
async def test_a_login_with_one_right_too_many_or_too_few_is_refused(guest: Guest, statement: str, words: str) -> None:
    await guest.given(statement)
    with pytest.raises(UnsafeDatabase, match=words):
        await checked(guest.url)


async def test_a_role_cannot_switch_synchronous_commit_off_for_us(guest: Guest) -> None:
    await guest.given("alter role {me} set synchronous_commit = off")
    database = Database(guest.url, bundled("sql"), size=2)
    await database.open()
    async with database.connection() as connection:
        assert await connection.fetchval("show synchronous_commit") == "on"
    await database.close()


@pytest.mark.parametrize("statement", ["update consent_record set lane = lane", "delete from consent_record"])
@pytest.mark.parametrize("role", ["consentry_owner", None])
async def test_even_the_owner_and_the_superuser_are_refused_by_the_trigger(
    clone: Clone, statement: str, role: str | None
) -> None:
    connection = await asyncpg.connect(clone.url(role) if role else clone.admin_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_primary_that_answers_is_reachable(database: Database) -> None:
    await check_reachable(database)
