"""`consentry ledger rebuild`: compute every head from its records, compare it byte for byte, and mend what differs.

Reading needs no lock. What looks different is looked at again with the head locked, as a record may have come in between.
"""

from collections.abc import AsyncIterator
from typing import Final

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consentry.cli import output
from consentry.cli.session import visit
from consentry.flows.ports import Ports
from consentry.kernel.consent import Head
from consentry.rules import fold
from consentry.settings import Settings
from consentry.store.database import Connection
from consentry.store.ledger import AddressKey, KeptHead
from consentry.store.rows import HeadKeyRow

_LANES: Final = 256
_SHOWN: Final = 50


class Difference(msgspec.Struct, frozen=True):
    """A head that is not the fold of its records. The address itself is personal data and is not named."""

    account_sid: str
    address_key: str
    kept_version: int | None
    records: int


class Outcome(msgspec.Struct):
    """What a run came to."""

    heads: int = 0
    records: int = 0
    different: list[Difference] = []
    rewritten: int = 0


def run(settings: Settings, *, verify: bool, as_json: bool) -> int:
    """Verify or rebuild every head; give 1 if `verify` found one that differs, else 0."""

    async def work(ports: Ports) -> Outcome:
        shown = output.console(err=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=shown, disable=as_json or not shown.is_terminal, transient=True) as progress:
            return await _Rebuild(ports, progress, mend=not verify).run()

    outcome = visit(settings, work)
    if as_json:
        output.as_json({"ok": not outcome.different or not verify, **msgspec.structs.asdict(outcome)})
    else:
        _show(outcome, verify=verify)
    return 1 if verify and outcome.different else 0


class _Rebuild:
    """One pass over the heads."""

    def __init__(self, ports: Ports, progress: Progress, *, mend: bool) -> None:
        self._ports = ports
        self._progress = progress
        self._mend = mend
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        bar = self._progress.add_task("lanes", total=_LANES)
        async with self._ports.database.connection() as paging, self._ports.database.connection() as reading:
            async for row in self._rows(paging):
                self._progress.update(bar, completed=row.lane)
                await self._one(row, reading)
            for row in await self._ports.ledger.heads_missing(paging):
                await self._again(row, missing=True)
        self._progress.update(bar, completed=_LANES)
        return self._outcome

    async def _rows(self, connection: Connection) -> AsyncIterator[HeadKeyRow]:
        async for row in self._ports.ledger.heads(connection):
            self._outcome.heads += 1
            yield row

    async def _one(self, row: HeadKeyRow, connection: Connection) -> None:
        rebuilt = await self._folded(connection, _key(row))
        self._outcome.records += rebuilt.version
        if (row.version, row.state) != (rebuilt.version, _state(rebuilt)):
            await self._again(row)

    async def _again(self, row: HeadKeyRow, *, missing: bool = False) -> None:
        """Compare under the lock of the head, where no record can come in between, and mend there."""
        key = _key(row)
        async with self._ports.database.transaction() as connection:
            if not missing or self._mend:  # the lock makes the row; to verify must write nothing
                locked = (await self._ports.ledger.lock(connection, [key]))[0]
                row = HeadKeyRow(key.lane, key.account_id, key.key, locked.version, locked.state)
            rebuilt = await self._folded(connection, key)
            if (row.version, row.state) == (rebuilt.version, _state(rebuilt)):
                return
            sids = {account.account_id: account.sid for account in self._ports.directory.accounts()}
            sid = sids.get(key.account_id, f"no account {key.account_id}")
            kept = None if missing else row.version
            self._outcome.different.append(Difference(sid, key.key[:4].hex(), kept, rebuilt.version))
            if self._mend:
                await self._ports.ledger.rewrite_head(connection, KeptHead(key, rebuilt.version, _state(rebuilt)))
                self._outcome.rewritten += 1

    async def _folded(self, connection: Connection, key: AddressKey) -> Head:
        return fold.fold([record async for record in self._ports.ledger.history(connection, key)])


def _key(row: HeadKeyRow) -> AddressKey:
    return AddressKey(row.lane, row.account_id, row.address_key)


def _state(head: Head) -> bytes:
    """Give what the row of a head holds: nothing as long as it has no record."""
    return fold.encode(head) if head.version else b""


def _show(outcome: Outcome, *, verify: bool) -> None:
    click.echo(f"{outcome.heads:,} heads, {outcome.records:,} records")
    for found in outcome.different[:_SHOWN]:
        kept = "no head" if found.kept_version is None else f"kept version {found.kept_version}"
        click.echo(f"  differs  {found.account_sid} {found.address_key}…  {kept}, {found.records} records")
    if len(outcome.different) > _SHOWN:
        click.echo(f"  and {len(outcome.different) - _SHOWN:,} more; --json names all")
    if not outcome.different:
        click.echo("Every head is the fold of its records.")
    elif verify:
        click.echo("Mend them: consentry pause, consentry ledger rebuild, consentry resume", err=True)
    else:
        click.echo(f"{outcome.rewritten:,} rewritten from their records.")
