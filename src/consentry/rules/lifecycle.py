"""The consent machine: which event throws which switch, as one total table.

An address has, in every scope, a few independent switches. Each is off at first; an event sets it, clears it, clears it
under a condition, or leaves it alone. What a person's consent is follows from the switches that are on. Everything
about these transitions stands here; the diagrams in ARCHITECTURE.md are drawn from the tables.
"""

from enum import StrEnum
from typing import Final

from consentry.kernel.consent import Event


class Switch(StrEnum):
    """One independent thing that is or is not the case."""

    GRANTED = "granted"
    IMPLIED = "implied"
    OPTED_OUT = "opted_out"
    OPTED_OUT_INFERRED = "opted_out_inferred"
    OBJECTED = "objected"
    BLOCKED = "blocked"
    PROVIDER_BLOCKED = "provider_blocked"
    UNDER_REVIEW = "under_review"
    UNREACHABLE = "unreachable"


class Effect(StrEnum):
    """What an event does to a switch."""

    KEEP = "keep"
    SET = "set"
    CLEAR = "clear"
    CLEAR_IF_EVIDENCED = "clear if explicit, with evidence, and no import"
    CLEAR_SAME_ORIGIN = "clear what was said in the same place"


_KEEP, _SET, _CLEAR = Effect.KEEP, Effect.SET, Effect.CLEAR
_EVIDENCED, _ORIGIN = Effect.CLEAR_IF_EVIDENCED, Effect.CLEAR_SAME_ORIGIN

_THROWN: Final[dict[Switch, dict[Event, Effect]]] = {
    Switch.GRANTED: {Event.GRANT_EXPLICIT: _SET},
    Switch.IMPLIED: {Event.GRANT_IMPLICIT: _SET},
    Switch.OPTED_OUT: {
        Event.REVOKE_KEYWORD: _SET,
        Event.REVOKE_PREFERENCE: _SET,
        Event.RESTORE_RESUME: _ORIGIN,
        Event.GRANT_EXPLICIT: _EVIDENCED,
    },
    Switch.OPTED_OUT_INFERRED: {
        Event.REVOKE_INFERRED: _SET,
        Event.RESTORE_RESUME: _ORIGIN,
        Event.GRANT_EXPLICIT: _EVIDENCED,
    },
    Switch.OBJECTED: {Event.REVOKE_COMPLAINT: _SET, Event.GRANT_EXPLICIT: _EVIDENCED},
    Switch.BLOCKED: {Event.REVOKE_BLOCK: _SET, Event.RESTORE_UNBLOCKED: _CLEAR},
    Switch.PROVIDER_BLOCKED: {Event.PROVIDER_BLOCK_OBSERVED: _SET, Event.PROVIDER_BLOCK_CLEARED: _CLEAR},
    Switch.UNDER_REVIEW: {
        Event.REVIEW_POSSIBLE_OPTOUT: _SET,
        Event.RESTORE_RESUME: _ORIGIN,
        Event.GRANT_EXPLICIT: _EVIDENCED,
    },
    Switch.UNREACHABLE: {
        Event.REACH_LOST: _SET,
        Event.REACH_RESTORED: _CLEAR,
        Event.GRANT_IMPLICIT: _CLEAR,
        Event.GRANT_EXPLICIT: _EVIDENCED,
        Event.REVOKE_KEYWORD: _CLEAR,
        Event.RESTORE_RESUME: _CLEAR,
        Event.RESTORE_UNBLOCKED: _CLEAR,
        Event.WINDOW_OPENED: _CLEAR,
        Event.HELP_REQUESTED: _CLEAR,
    },
}

TRANSITIONS: Final[dict[tuple[Switch, Event], Effect]] = {
    (switch, event): _THROWN[switch].get(event, _KEEP) for switch in Switch for event in Event
}
"""Every pair is decided."""

SETS: Final[dict[str, tuple[Switch, ...]]] = {
    event: tuple(s for s in Switch if TRANSITIONS[s, event] is _SET) for event in Event
}
"""Which switches an event sets."""

CLEARS: Final[dict[Switch, dict[str, Effect]]] = {
    switch: {str(e): TRANSITIONS[switch, e] for e in Event if TRANSITIONS[switch, e] not in {_KEEP, _SET}}
    for switch in Switch
}
"""Which events may clear a switch, and how."""

REMEMBERED: Final = frozenset(str(e) for e in Event if any(TRANSITIONS[s, e] is not _KEEP for s in Switch))
"""Events that leave a cell in the head."""
