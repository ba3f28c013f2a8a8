"""Record consent for a caller, and answer what it is: one item or many, each with its own result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from consentry.flows.accept import ask_stored
from consentry.flows.append import Fact, Heads, acknowledge, must_wait, refuse_future
from consentry.flows.ports import Ports
from consentry.kernel.address import Address, InvalidAddress, parse_recipient
from consentry.kernel.consent import ALL, Event, Head, Record, parse_purpose
from consentry.kernel.decision import Decision
from consentry.kernel.directory import Principal, Sender
from consentry.kernel.errors import ConsentryError, Invalid, Unavailable
from consentry.rules import fold
from consentry.rules.gate import Request, SenderFacts
from consentry.store.batcher import Batcher
from consentry.store.database import Connection
from consentry.store.ledger import Evidence

_CALLER_EVENTS: Final = frozenset(
    {
        Event.GRANT_EXPLICIT,
        Event.GRANT_IMPLICIT,
        Event.REVOKE_KEYWORD,
        Event.REVOKE_PREFERENCE,
        Event.REVOKE_BLOCK,
        Event.REVOKE_COMPLAINT,
        Event.REVOKE_INFERRED,
        Event.RESTORE_RESUME,
        Event.RESTORE_UNBLOCKED,
        Event.REACH_LOST,
        Event.REACH_RESTORED,
        Event.REVIEW_POSSIBLE_OPTOUT,
        Event.PROVIDER_BLOCK_OBSERVED,
        Event.PROVIDER_BLOCK_CLEARED,
    }
)
_PLATFORM_ONLY: Final = frozenset({Event.RESTORE_UNBLOCKED, Event.PROVIDER_BLOCK_CLEARED})
_IMPORT: Final = "import"
_LONGEST_SOURCE: Final = 64
_CHUNK: Final = 500
_PAGE: Final = 1000


class Ask(msgspec.Struct, frozen=True):
    """A fact that a caller reports."""

    address: str
    event: str
    purpose: str = ALL
    sender: str = ALL
    source: str = "api"
    occurred_at: datetime | None = None
    evidence: Any = None


class Kept(msgspec.Struct, frozen=True):
    """A recorded fact, and the head after it."""

    record: Record
    address: Address
    head: Head


async def record(ports: Ports, principal: Principal, ask: Ask) -> Kept:
    """Record one fact; an opt-out is in force when this returns. Errors: Invalid names the field."""
    fact = fact_of(ports, principal, ask)
    async with ports.database.transaction() as connection:
        kept = await record_in(ports, connection, principal, fact)
    await in_force(ports, principal, fact, kept.head.version)
    return kept


async def record_in(ports: Ports, connection: Connection, principal: Principal, fact: Fact) -> Kept:
    """Record one fact in a transaction; whoever commits it calls `in_force` before acknowledging. Errors: Invalid."""
    heads = Heads(ports, connection, principal.account.account_id)
    await heads.lock([fact.address])
    kept = _keep(heads, fact)
    await heads.write()
    if isinstance(kept, ConsentryError):
        raise kept
    return kept


async def in_force(ports: Ports, principal: Principal, fact: Fact, version: int) -> None:
    """Wait until an opt-out is in force; for every other fact this is at once. `version` is that of a head with it."""
    if must_wait(fact.event):
        await acknowledge(ports, principal.account.account_id, {fact.address: version})


async def record_many(ports: Ports, principal: Principal, asks: Sequence[Ask]) -> list[Kept | ConsentryError]:
    """Record many facts, in order; each has its own result, and a bad one does not hold up the others."""
    results: list[Kept | ConsentryError] = []
    for start in range(0, len(asks), _CHUNK):
        results += await _record_chunk(ports, principal, asks[start : start + _CHUNK])
    return results


async def _record_chunk(ports: Ports, principal: Principal, asks: Sequence[Ask]) -> list[Kept | ConsentryError]:
    facts: list[Fact | ConsentryError] = []
    for ask in asks:
        try:
            facts.append(fact_of(ports, principal, ask))
        except ConsentryError as error:
            facts.append(error)
    account_id = principal.account.account_id
    good = [fact for fact in facts if isinstance(fact, Fact)]
    async with ports.database.transaction() as connection:
        heads = Heads(ports, connection, account_id)
        await heads.lock(fact.address for fact in good)
        results = [fact if isinstance(fact, ConsentryError) else _keep(heads, fact) for fact in facts]
        await heads.write()
        opted_out = {fact.address: heads.version(fact.address) for fact in good if must_wait(fact.event)}
    await acknowledge(ports, account_id, opted_out)
    return results


def _keep(heads: Heads, fact: Fact) -> Kept | ConsentryError:
    try:
        refuse_future(fact.occurred_at, heads.now(fact.address))
    except ConsentryError as error:
        return error
    appended = heads.append(fact)
    return Kept(appended.record, fact.address, appended.after)


class Check(msgspec.Struct, frozen=True):
    """A question to the gate: may this sender write this to this address now?"""

    account_id: int
    to: Address
    sender: SenderFacts
    purpose: str


class Checker:
    """Answers checks of this process; single ones that arrive together share a read."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._batcher: Batcher[Check, Decision] = Batcher(
            self.many, in_flight=2, most=512, splits=lambda error: not isinstance(error, Unavailable)
        )
        self.one = self._batcher.submit

    async def many(self, checks: Sequence[Check]) -> list[Decision]:
        """Ask the gate, without sending: what would be decided for each now."""
        policy, decisions = self._ports.policy, list[Decision]()
        async with self._ports.database.connection() as connection:
            for start in range(0, len(checks), _PAGE):
                page = checks[start : start + _PAGE]
                keys = [self._ports.key(check.account_id, check.to) for check in page]
                rows = await self._ports.outbox.heads(connection, keys)
                now = rows[0]["now"]
                decisions += [
                    ask_stored(policy, Request(check.sender, check.purpose), version, state, now)
                    for check, (version, state, _) in zip(page, rows, strict=True)
                ]
        return decisions


async def history(ports: Ports, account_id: int, address: Address) -> tuple[Head, datetime, list[Record]]:
    """Give the head of an address, the instant at which it was read, and every record behind it."""
    key = ports.key(account_id, address)
    async with ports.database.connection() as connection:
        rows = await ports.outbox.heads(connection, [key])
        records = [entry async for entry in ports.ledger.history(connection, key)]
    version, state, now = rows[0]
    return fold.decode(version, state), now, records


def fact_of(ports: Ports, principal: Principal, ask: Ask) -> Fact:
    """Read what a caller reports. Errors: Invalid names the field and what it may be."""
    event = _event(ask.event)
    address = _address(ask)
    sender = ALL if ask.sender == ALL else sender_of(ports, principal, ask.sender).sid
    source = ask.source.strip().lower()
    if not source or len(source) > _LONGEST_SOURCE or not source.isprintable():
        raise Invalid(
            "source must be a short word for where this came from, such as web_form or import", field="source"
        )
    if ask.occurred_at is not None and ask.occurred_at.tzinfo is None:
        raise Invalid("occurred_at needs an offset, such as 2026-01-31T12:00:00Z", field="occurred_at")
    evidence = _evidence(ask.evidence)
    return Fact(
        address=address,
        event=event,
        purpose=parse_purpose(ask.purpose),
        sender=sender,
        origin="" if sender == ALL else sender,
        source=source,
        actor=principal.actor,
        occurred_at=ask.occurred_at,
        evidence=evidence,
        lifts=event is Event.GRANT_EXPLICIT and evidence is not None and source != _IMPORT,
    )


def sender_of(ports: Ports, principal: Principal, sid: str) -> Sender:
    """Give a sender of the caller's account. Errors: Invalid, the same for a foreign one and one that is not there."""
    found = ports.directory.sender_by_sid(sid)
    if found is None or found.account_id != principal.account.account_id:
        raise Invalid(f"sender {sid[:34]!r} is not one of this account; use its XE sid, or all", field="sender")
    return found


def _event(word: str) -> Event:
    if word in _CALLER_EVENTS and word not in _PLATFORM_ONLY:
        return Event(word)
    if word in _PLATFORM_ONLY:
        raise Invalid(f"event {word} can only be told by the platform itself, through its webhook", field="event")
    known = ", ".join(sorted(_CALLER_EVENTS - _PLATFORM_ONLY))
    raise Invalid(f"event {word[:40]!r} is not known; use one of {known}", field="event")


def _address(ask: Ask) -> Address:
    try:
        return parse_recipient(ask.address)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error


def _evidence(given: Any) -> Evidence | None:
    if given in (None, "", {}, []):
        return None
    if isinstance(given, str):
        return Evidence(given.encode("utf-8", "replace"), "text/plain; charset=utf-8")
    return Evidence(msgspec.json.encode(given), "application/json")
