"""The ledger can only grow: no role changes, removes or empties it, whatever the session is set to (I3)."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.build import a_grant, a_phone, a_principal
from tests.conftest import Clone

from consentry.flows.ports import Ports
from consentry.store.database import Connection

_CHANGES = (
    "update consent_record set purpose = 'marketing'",
    "update consent_record set purpose = purpose where false",
    "delete from consent_record",
    "truncate consent_record",
    "truncate consent_record, consent_head cascade",
)
_WAYS_ROUND = (
    "alter table consent_record disable trigger all",
    "drop trigger consent_record_no_change on consent_record",
    "create or replace function ledger_is_append_only() returns trigger language sql as 'select null'",
    "alter table consent_record rename to old_record",
    "drop table consent_record",
    "set session_replication_role = replica",
    "set role consentry_owner",
    "create rule nothing as on insert to consent_record do instead nothing",
)
_RECORDS = "select count(*) from consent_record"


@pytest.fixture
async def recorded(ports: Ports) -> Ports:
    """A ledger with a record in it."""
    principal = await a_principal(ports)
    await a_grant(ports, principal, a_phone())
    return ports


@pytest.fixture
async def app(clone: Clone, recorded: Ports) -> AsyncIterator[Connection]:  # noqa: ARG001 - something must be there
    """A connection as the role of the program."""
    connection = await asyncpg.connect(clone.url())
    yield connection
    await connection.close()


@pytest.fixture
async def owner(clone: Clone, recorded: Ports) -> AsyncIterator[Connection]:  # noqa: ARG001 - something must be there
    """A connection as the role that owns the tables."""
    connection = await asyncpg.connect(clone.url("consentry_owner"))
    yield connection
    await connection.close()


@pytest.fixture
async def replica(clone: Clone, recorded: Ports) -> AsyncIterator[Connection]:  # noqa: ARG001 - something must be there
    """A superuser's connection in the mode in which ordinary triggers do not fire."""
    connection = await asyncpg.connect(clone.admin_url)
    await connection.execute("set session_replication_role = replica")
    yield connection
    await connection.close()


@pytest.mark.parametrize("statement", _CHANGES)
async def test_the_app_has_no_right_to_change_the_ledger(app: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await app.execute(statement)
    assert await app.fetchval(_RECORDS) == 1


@pytest.mark.parametrize("statement", _WAYS_ROUND)
async def test_the_app_has_no_way_round_it(app: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


@pytest.mark.parametrize("statement", _CHANGES)
async def test_triggers_refuse_the_owner(owner: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await owner.execute(statement)
    assert await owner.fetchval(_RECORDS) == 1


@pytest.mark.parametrize("statement", _CHANGES)
async def test_triggers_refuse_a_superuser_in_replica_mode(replica: Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await replica.execute(statement)
    assert await replica.fetchval(_RECORDS) == 1


async def test_an_upsert_cannot_change_a_record(app: Connection) -> None:
    upsert = "insert into consent_record select * from consent_record on conflict (lane, record_id) do update set purpose = ''"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await app.execute(upsert)
