"""State = fold(records): the head keeps the latest record of each event in each scope.

Taking the latest in each cell is associative, commutative and idempotent, so the state does not depend on the order in
which records arrive. The version is the number of records, so a rebuilt head equals the kept one byte for byte.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from consentry.kernel.consent import REVOCATIONS, Cell, Head, Record
from consentry.rules.lifecycle import REMEMBERED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Cell, ...])

_Scope = tuple[str, str, str, str, str, bool]


def micros(instant: datetime) -> int:
    """Give an aware instant as Unix microseconds."""
    return (instant - _EPOCH) // _MICROSECOND


def latest(head: Head) -> datetime:
    """Give the instant at which the newest remembered record was written; the epoch if there is none."""
    return _EPOCH + max((cell.recorded for cell in head.cells), default=0) * _MICROSECOND


def append(head: Head, record: Record) -> Head:
    """Give the head after one more record. The caller has made sure that the record is new."""
    if record.event not in REMEMBERED:
        return Head(head.version + 1, head.cells)
    cells = {_scope(cell): cell for cell in head.cells}
    cell = _cell(record)
    key = _scope(cell)
    kept = cells.get(key)
    if kept is None or (kept.at, kept.record) < (cell.at, cell.record):
        cells[key] = cell
    return Head(head.version + 1, tuple(cells[k] for k in sorted(cells)))


def fold(records: Iterable[Record]) -> Head:
    """Give the head of a set of distinct records, in any order."""
    head = Head()
    for record in records:
        head = append(head, record)
    return head


def encode(head: Head) -> bytes:
    """Give the cells as the bytes that the head row stores."""
    return _encoder.encode(head.cells)


def decode(version: int, state: bytes) -> Head:
    """Read a head row. Errors: msgspec.DecodeError on a damaged row; the caller refuses."""
    return Head(version, _decoder.decode(state) if state else ())


def _scope(cell: Cell) -> _Scope:
    return (cell.event, cell.channel, cell.sender, cell.purpose, cell.origin, cell.lifts)


def _cell(record: Record) -> Cell:
    at = micros(record.occurred_at)
    if record.event in REVOCATIONS and at % _SECOND == 0:
        # Platforms that give whole seconds cut them off: the act may be as late as the end of that second, and a yes
        # within it must not win.
        at += _SECOND - 1
    return Cell(
        event=str(record.event),
        channel=str(record.channel),
        sender=record.sender,
        purpose=record.purpose,
        origin=record.origin,
        lifts=record.lifts,
        at=at,
        record=record.record_id.hex(),
        recorded=micros(record.recorded_at),
        expires=0 if record.expires_at is None else micros(record.expires_at),
    )
