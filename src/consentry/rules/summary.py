"""The state of an address in words, scope by scope, for people and for answers of the API."""

from enum import StrEnum
from typing import Final

import msgspec

from consentry.kernel.consent import Cell, Head
from consentry.rules.lifecycle import Switch
from consentry.rules.switches import On, Question, switched_on


class Standing(StrEnum):
    """What one scope comes to; the strictest word that holds."""

    BLOCKED = "blocked"
    REVOKED = "revoked"
    OBJECTED = "objected"
    UNDER_REVIEW = "under_review"
    GRANTED = "granted"
    IMPLIED = "implied"
    NONE = "none"


_WORDS: Final = (
    (Switch.BLOCKED, Standing.BLOCKED),
    (Switch.PROVIDER_BLOCKED, Standing.BLOCKED),
    (Switch.OPTED_OUT, Standing.REVOKED),
    (Switch.OPTED_OUT_INFERRED, Standing.REVOKED),
    (Switch.OBJECTED, Standing.OBJECTED),
    (Switch.UNDER_REVIEW, Standing.UNDER_REVIEW),
    (Switch.GRANTED, Standing.GRANTED),
    (Switch.IMPLIED, Standing.IMPLIED),
)


class ScopeState(msgspec.Struct, frozen=True):
    """One scope that records speak of, and how it stands."""

    channel: str
    sender: str
    purpose: str
    state: Standing
    reachable: bool
    records: tuple[str, ...]


def scopes(head: Head, now: int) -> list[ScopeState]:
    """Give the state of every scope that has records, in a fixed order. `now` is in Unix microseconds."""
    named = sorted({(cell.channel, cell.sender, cell.purpose) for cell in head.cells})
    return [scope(head, now, *name) for name in named]


def scope(head: Head, now: int, channel: str, sender: str, purpose: str) -> ScopeState:
    """Give the state of one scope."""
    on = switched_on(head, Question(channel, (sender,), purpose, now))
    standing = next((word for switch, word in _WORDS if any(entry.switch is switch for entry in on)), Standing.NONE)
    return ScopeState(
        channel=channel,
        sender=sender,
        purpose=purpose,
        state=standing,
        reachable=all(entry.switch is not Switch.UNREACHABLE for entry in on),
        records=tuple(sorted({_sid(entry) for entry in on})),
    )


def _sid(entry: On) -> str:
    cell: Cell = entry.cell
    return f"CR{cell.record}"
