"""What one record does to a head, by example; that order does not matter is in `tests/properties`."""

from datetime import datetime, timedelta

import pytest
from tests.rules.facts import NOW

from consentry.kernel.address import Channel
from consentry.kernel.consent import Event, Head, Record
from consentry.rules.fold import append, decode, fold, micros

SECOND = timedelta(seconds=1)
HALF = timedelta(seconds=0.5)


def record(
    number: int,
    event: str = "revoke.keyword",
    at: datetime = NOW,
    *,
    purpose: str = "all",
    sender: str = "all",
    origin: str = "",
) -> Record:
    """Give one record; every number is another one."""
    return Record(
        record_id=number.to_bytes(16, "big"),
        account_id=1,
        lane=0,
        address_key=bytes(16),
        channel=Channel.sms,
        event=Event(event),
        purpose=purpose,
        sender=sender,
        origin=origin,
        source="test",
        actor="test",
        occurred_at=at,
        recorded_at=at,
    )


def test_the_latest_record_of_an_event_stands_in_its_scope() -> None:
    head = fold([record(1, at=NOW), record(2, at=NOW + SECOND), record(3, at=NOW - SECOND)])
    assert [cell.record for cell in head.cells] == [(2).to_bytes(16, "big").hex()]


def test_each_scope_and_each_place_has_a_cell_of_its_own() -> None:
    records = [record(1), record(2, sender="XE1"), record(3, purpose="marketing"), record(4, origin="XE1")]
    assert len(fold(records).cells) == 4


@pytest.mark.parametrize(
    "event,at,kept",
    [
        ("revoke.keyword", NOW, NOW + SECOND - timedelta(microseconds=1)),
        ("revoke.keyword", NOW + HALF, NOW + HALF),
        ("grant.explicit", NOW, NOW),
        ("restore.resume", NOW, NOW),
    ],
)
def test_an_opt_out_of_a_whole_second_counts_to_its_end(event: str, at: datetime, kept: datetime) -> None:
    (cell,) = fold([record(1, event, at)]).cells
    assert cell.at == micros(kept)


def test_an_event_that_says_nothing_of_consent_only_counts() -> None:
    assert append(Head(), record(1, "identity.linked")) == Head(version=1)


def test_an_empty_head_is_the_head_of_a_new_row() -> None:
    assert decode(0, b"") == Head()
