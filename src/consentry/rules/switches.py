"""Which switches are on for one question: this sender, this purpose, now."""

from typing import Final

import msgspec

from consentry.kernel.consent import ALL, TOPIC, Cell, Head
from consentry.rules.lifecycle import CLEARS, SETS, Effect, Switch

_GRANTS: Final = frozenset({Switch.GRANTED, Switch.IMPLIED})


class Question(msgspec.Struct, frozen=True):
    """What is asked of a head. `scopes` are the sids that mean this sender: its own and its services'."""

    channel: str
    scopes: tuple[str, ...]
    purpose: str
    now: int
    """Unix microseconds."""


class On(msgspec.Struct, frozen=True):
    """A switch that is on, and the cell that set it."""

    switch: Switch
    cell: Cell


def covers(declared: str, asked: str) -> bool:
    """Tell whether a declared purpose includes the one asked for. A topic is part of marketing."""
    return declared in (ALL, asked) or (declared == "marketing" and asked.startswith(TOPIC))


def switched_on(head: Head, question: Question) -> list[On]:
    """Give every switch that is on, closed ones and grants alike.

    A revocation counts on every channel of the family; a grant only on its own. What has expired grants nothing and
    lifts nothing. A clearing event must be strictly later: on a tie the opt-out wins.
    """
    cells = [cell for cell in head.cells if _speaks(cell, question)]
    found: list[On] = []
    for cell in cells:
        found += [On(switch, cell) for switch in SETS[cell.event] if _holds(switch, cell, cells, question)]
    return found


def expired_grant(head: Head, question: Question) -> Cell | None:
    """Give a grant that would have answered the question, had it not run out."""
    for cell in head.cells:
        if cell.event == "grant.explicit" and _speaks(cell, question) and cell.channel == question.channel:
            return cell
    return None


def _holds(switch: Switch, cell: Cell, cells: list[Cell], question: Question) -> bool:
    if switch in _GRANTS:
        return _live(cell, question)
    return not any(_clears(other, switch, cell, question) for other in cells)


def _speaks(cell: Cell, question: Question) -> bool:
    if cell.sender != ALL and cell.sender not in question.scopes:
        return False
    return cell.purpose in (ALL, question.purpose) or covers(cell.purpose, question.purpose)


def _live(cell: Cell, question: Question) -> bool:
    return cell.channel == question.channel and (cell.expires == 0 or question.now < cell.expires)


def _clears(other: Cell, switch: Switch, closed: Cell, question: Question) -> bool:
    effect = CLEARS[switch].get(other.event)
    if effect is None or other.at <= closed.at:
        return False
    if effect is Effect.CLEAR_IF_EVIDENCED:
        return other.lifts and _live(other, question)
    if effect is Effect.CLEAR_SAME_ORIGIN:
        return other.origin == closed.origin and other.purpose == closed.purpose
    return True
