"""Append facts to the ledger inside a transaction: lock the heads in key order, write records, fold, write the heads.

Whoever acknowledges an opt-out calls `acknowledge` after the commit: it waits until no hand-off may still begin.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from consentry import meters
from consentry.flows.ports import Ports, day
from consentry.kernel import failpoints
from consentry.kernel.address import Address
from consentry.kernel.consent import REVOCATIONS, Event, Head, Record
from consentry.kernel.errors import Invalid
from consentry.rules import fold
from consentry.store.database import Connection
from consentry.store.ledger import AddressKey, Entry, Evidence, KeptHead

_FUTURE: Final = timedelta(minutes=5)
_LONGEST_ID: Final = 255
_GRANTS: Final = frozenset({Event.GRANT_EXPLICIT, Event.GRANT_IMPLICIT})


class Fact(msgspec.Struct, frozen=True):
    """A signal that is about to become a record."""

    address: Address
    event: Event
    purpose: str
    sender: str
    """`all`, or the sid that the record is about."""
    origin: str
    """The sid of the sender where it was said, or empty."""
    source: str
    actor: str
    occurred_at: datetime | None = None
    evidence: Evidence | None = None
    provider: str = ""
    provider_event_id: str = ""
    lifts: bool = False
    expires_at: datetime | None = None
    rule_id: str = ""


class Appended(msgspec.Struct, frozen=True):
    """What an append did: the record, and the head before and after."""

    record: Record
    before: Head
    after: Head


class _Locked(msgspec.Struct):
    key: AddressKey
    head: Head
    now: datetime
    changed: bool = False


class Heads:
    """The locked heads of one transaction, and the records that wait to be written with them."""

    def __init__(self, ports: Ports, connection: Connection, account_id: int) -> None:
        self._ports = ports
        self._connection = connection
        self._account_id = account_id
        self._locked: dict[bytes, _Locked] = {}
        self._entries: list[Entry] = []

    async def lock(self, addresses: Iterable[Address]) -> None:
        """Lock every head that this transaction will touch, in key order, so that two never wait for each other."""
        keys = {key.key: key for key in (self._ports.key(self._account_id, a) for a in addresses)}
        if keys:
            for row in await self._ports.ledger.lock(self._connection, [keys[k] for k in sorted(keys)]):
                head = fold.decode(row.version, row.state)
                # A clock that was set back must not make a later act look earlier than one that is recorded.
                now = max(row.now, fold.latest(head))
                self._locked[row.address_key] = _Locked(keys[row.address_key], head, now)
        if failpoints.ACTIVE:
            await failpoints.reach("append.locked")

    def now(self, address: Address) -> datetime:
        """Give the database's time at the lock."""
        return self._of(address).now

    def version(self, address: Address) -> int:
        """Give the version of a locked head as it stands in this transaction."""
        return self._of(address).head.version

    def append(self, fact: Fact) -> Appended:
        """Fold one more record into its head; `write` writes both."""
        locked = self._of(fact.address)
        record = self._record(locked, fact)
        self._entries.append(Entry(record, fact.address.text, fact.evidence))
        meters.SIGNALS.labels(record.channel, record.event).inc()
        before, locked.head, locked.changed = locked.head, fold.append(locked.head, record), True
        return Appended(record, before, locked.head)

    async def write(self) -> None:
        """Write the records and the heads that changed."""
        if self._entries:
            heads = [
                KeptHead(locked.key, locked.head.version, fold.encode(locked.head))
                for locked in self._locked.values()
                if locked.changed
            ]
            await self._ports.ledger.write(self._connection, self._entries, heads)
            self._entries = []
        if failpoints.ACTIVE:
            await failpoints.reach("append.written")

    def _of(self, address: Address) -> _Locked:
        return self._locked[self._ports.key(self._account_id, address).key]

    def _record(self, locked: _Locked, fact: Fact) -> Record:
        occurred_at = min(fact.occurred_at or locked.now, locked.now)
        return Record(
            record_id=self._ports.ids.new(locked.key.lane),
            account_id=self._account_id,
            lane=locked.key.lane,
            address_key=locked.key.key,
            channel=fact.address.channel,
            event=fact.event,
            purpose=fact.purpose,
            sender=fact.sender,
            origin=fact.origin,
            source=fact.source,
            actor=fact.actor,
            occurred_at=occurred_at,
            recorded_at=locked.now,
            expires_at=fact.expires_at or self._expiry(fact, occurred_at),
            lifts=fact.lifts,
            provider=fact.provider,
            provider_event_id=_storable(fact.provider_event_id),
            evidence_id=None if fact.evidence is None else self._ports.ids.new(locked.key.lane),
            evidence_hash=None if fact.evidence is None else fact.evidence.commitment(),
            rule_id=fact.rule_id,
        )

    def _expiry(self, fact: Fact, occurred_at: datetime) -> datetime | None:
        if fact.event not in _GRANTS:
            return None
        seconds = self._ports.policy.expiry_s(str(fact.event), str(fact.address.channel), day(occurred_at))
        return None if seconds is None else occurred_at + timedelta(seconds=seconds)


def _storable(text: str) -> str:
    """Give a provider's id as PostgreSQL can keep it; the raw bytes are in the evidence."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_ID]


async def acknowledge(ports: Ports, account_id: int, opted_out: Mapping[Address, int]) -> None:
    """Wait until no live lease of these addresses remains; only then may the opt-out be acknowledged (I1).

    `opted_out` gives the version of each head with the opt-out in it.
    """
    if failpoints.ACTIVE:
        await failpoints.reach("append.committed")
    if opted_out:
        with meters.OPT_OUT_SECONDS.time():
            for address, version in opted_out.items():
                await ports.ledger.wait_for_leases(ports.key(account_id, address), version, at_most_s=ports.wait_s)
    if failpoints.ACTIVE:
        await failpoints.reach("append.acknowledged")


def must_wait(event: Event) -> bool:
    """Tell whether the acknowledgement of an event must wait for leases."""
    return event in REVOCATIONS


def refuse_future(occurred_at: datetime | None, now: datetime) -> None:
    """Errors: Invalid for a time that has not come yet (some tolerance for clocks)."""
    if occurred_at is not None and occurred_at > now + _FUTURE:
        raise Invalid("occurred_at lies in the future", field="occurred_at")
