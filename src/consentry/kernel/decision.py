"""The gate's answer for one message: allow, defer or refuse, with every reason and what it rests on."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What may happen to the message now."""

    ALLOW = "allow"
    DEFER = "defer"
    REFUSE = "refuse"


class ReasonCode(StrEnum):
    """Why not. Closed; the first five are CAMARA ConsentInfo's, where they fit."""

    PENDING = "PENDING"
    REQUESTED = "REQUESTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    OBJECTED = "OBJECTED"
    NO_CONSENT = "NO_CONSENT"
    SCOPE_MISMATCH = "SCOPE_MISMATCH"
    BLOCKED = "BLOCKED"
    UNREACHABLE = "UNREACHABLE"
    UNDER_REVIEW = "UNDER_REVIEW"
    SENDER_PAUSED = "SENDER_PAUSED"
    SENDER_RESTRICTED = "SENDER_RESTRICTED"
    KILL_SWITCH = "KILL_SWITCH"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    VALIDITY_EXPIRED = "VALIDITY_EXPIRED"
    CONFIRMATION_LATE = "CONFIRMATION_LATE"
    CONFIRMATION_MOOT = "CONFIRMATION_MOOT"
    CATEGORY_NOT_ALLOWED = "CATEGORY_NOT_ALLOWED"
    POLICY_ERROR = "POLICY_ERROR"


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason, the rule that says so, and the records it rests on (as sids)."""

    code: ReasonCode
    rule: str
    text: str
    records: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer of the gate; enough of it is kept to give the same answer again."""

    verdict: Verdict
    policy: str
    """Digest of the loaded policy set."""
    head_version: int
    rules: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Whether the message may be handed off now."""
        return self.verdict is Verdict.ALLOW
