"""A head that is not the fold of its records is found, named without its address, and mended."""

import json

import asyncpg
import pytest
from tests.build import a_grant, a_phone, a_principal
from tests.cli.conftest import Run
from tests.conftest import Clone

from consentry.flows.consents import Ask, record
from consentry.flows.ports import Ports
from consentry.store.ledger import AddressKey

_TAMPER = "update consent_head set state = convert_to(replace(convert_from(state, 'UTF8'), 'revoke', 'grant'), 'UTF8')"


async def as_app(clone: Clone, statement: str) -> None:
    """Run a statement as the gateway's own role."""
    connection = await asyncpg.connect(clone.url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def revoked(ports: Ports) -> str:
    """Two addresses with records, one of them revoked; gives the name under which the revoked one is told."""
    principal = await a_principal(ports)
    await a_grant(ports, principal, a_phone())
    kept = await record(ports, principal, Ask(a_phone(), "revoke.preference"))
    key = ports.key(principal.account.account_id, kept.address)
    async with ports.database.connection() as connection:
        handed_off = AddressKey(9, key.account_id, bytes([9]) * 16)
        await ports.outbox.ensure_heads(connection, [handed_off])
    return f"{principal.account.sid} {key.key[:4].hex()}"


async def test_heads_as_they_were_written_are_all_equal(run: Run, revoked: str) -> None:
    done = run("ledger", "rebuild", "--verify")

    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "3 heads, 2 records"), revoked


async def test_a_tampered_head_is_found_and_mended(run: Run, clone: Clone, revoked: str) -> None:
    await as_app(clone, _TAMPER)

    found = run("ledger", "rebuild", "--verify")
    mended = run("ledger", "rebuild", "--json")

    assert (found.exit_code, found.stdout.count("differs"), revoked in found.stdout) == (1, 1, True)
    assert (mended.exit_code, json.loads(mended.stdout)["rewritten"]) == (0, 1)
    assert run("ledger", "rebuild", "--verify").exit_code == 0


async def test_a_dropped_head_is_found_and_made_again(run: Run, clone: Clone, revoked: str) -> None:
    await as_app(clone, "delete from consent_head where version > 0")

    found = json.loads(run("ledger", "rebuild", "--verify", "--json").stdout)
    again = json.loads(run("ledger", "rebuild", "--verify", "--json").stdout)
    mended = run("ledger", "rebuild")

    assert (found["ok"], [d["kept_version"] for d in found["different"]]) == (False, [None, None]), revoked
    assert again == found, "to verify must write nothing"
    assert "2 rewritten" in mended.stdout
    assert run("ledger", "rebuild", "--verify").exit_code == 0
