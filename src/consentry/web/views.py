"""What our own routes answer with: records, states and decisions in JSON."""

from datetime import UTC, datetime

import msgspec

from consentry.kernel.consent import Head, Record
from consentry.kernel.decision import Decision, Reason
from consentry.kernel.ids import to_sid
from consentry.rules import summary
from consentry.rules.fold import micros


class RecordView(msgspec.Struct, frozen=True):
    """One row of the ledger."""

    sid: str
    event: str
    channel: str
    purpose: str
    sender: str
    source: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    expires_at: datetime | None
    evidence_sha256: str | None
    provider: str | None
    provider_event_id: str | None


class StateView(msgspec.Struct, frozen=True):
    """How an address stands, scope by scope; `version` counts its records."""

    address: str
    version: int
    scopes: list[summary.ScopeState]


class DecisionView(msgspec.Struct, frozen=True):
    """The gate's answer with every reason, the rules, the records relied on and the digest of the policy."""

    allowed: bool
    decision: str
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]
    records: tuple[str, ...]
    policy: str
    version: int


def record(found: Record) -> RecordView:
    """Show a record."""
    return RecordView(
        sid=to_sid("CR", found.record_id),
        event=str(found.event),
        channel=str(found.channel),
        purpose=found.purpose,
        sender=found.sender,
        source=found.source,
        actor=found.actor,
        occurred_at=found.occurred_at.astimezone(UTC),
        recorded_at=found.recorded_at.astimezone(UTC),
        expires_at=found.expires_at,
        evidence_sha256=None if found.evidence_hash is None else found.evidence_hash.hex(),
        provider=found.provider or None,
        provider_event_id=found.provider_event_id or None,
    )


def state(address: str, head: Head, now: datetime) -> StateView:
    """Show how an address stands at an instant."""
    return StateView(address, head.version, summary.scopes(head, micros(now)))


def decision(found: Decision) -> DecisionView:
    """Show a decision."""
    return DecisionView(
        allowed=found.allowed,
        decision=found.verdict.value,
        reasons=found.reasons,
        rules=found.rules,
        records=found.records,
        policy=found.policy,
        version=found.head_version,
    )
