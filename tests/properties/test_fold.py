"""Laws of the consent machine: what order, repetition, ties, expiry and place may and may not change (I3, I10)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.address import Channel
from consentry.kernel.consent import ALL, Event, Head, Record
from consentry.kernel.message import State
from consentry.rules import delivery, fold, lifecycle
from consentry.rules.delivery import Step, reported
from consentry.rules.lifecycle import Effect, Switch
from consentry.rules.switches import Question, switched_on

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_GRANTS = {Switch.GRANTED, Switch.IMPLIED}
_MARKETING = ("all", "marketing")
_PURPOSES = ("all", "marketing", "otp", "topic:news")
_ORIGINS = ("", "XE1", "XE2")
_REVOKING = {
    Event.REVOKE_KEYWORD: Switch.OPTED_OUT,
    Event.REVOKE_PREFERENCE: Switch.OPTED_OUT,
    Event.REVOKE_INFERRED: Switch.OPTED_OUT_INFERRED,
    Event.REVOKE_COMPLAINT: Switch.OBJECTED,
    Event.REVOKE_BLOCK: Switch.BLOCKED,
}
_RANK = {State.QUEUED: 0, State.SENDING: 1, State.UNKNOWN: 1, State.SENT: 2, State.UNDELIVERED: 3, State.FAILED: 3,
         State.DELIVERED: 3, State.READ: 4}  # fmt: skip


def _record(number: int, event: Event, at: float, **more: Any) -> Record:
    given_: dict[str, Any] = {"purpose": ALL, "sender": ALL, "origin": "", "channel": Channel.sms, **more}
    return Record(
        record_id=number.to_bytes(16, "big"),
        account_id=1,
        lane=0,
        address_key=bytes(16),
        event=event,
        source="test",
        actor="test",
        occurred_at=_NOON + timedelta(seconds=at),
        recorded_at=_NOON + timedelta(hours=1),
        **given_,
    )


@st.composite
def records(draw: st.DrawFn, *, most: int = 12) -> list[Record]:
    """Distinct records whose times often tie."""
    made = draw(
        st.lists(
            st.builds(
                lambda event, at, **more: (event, at, more),
                st.sampled_from(Event),
                st.sampled_from([0, 0.5, 1, 1.000001, 2, 3.25]),
                purpose=st.sampled_from(_PURPOSES),
                sender=st.sampled_from(["all", "XE1", "XE2"]),
                origin=st.sampled_from(_ORIGINS),
                channel=st.sampled_from([Channel.sms, Channel.whatsapp]),
                lifts=st.booleans(),
                expires_at=st.sampled_from([None, _NOON + timedelta(seconds=2), _NOON + timedelta(days=1)]),
            ),
            max_size=most,
        )
    )
    numbers = draw(st.permutations(range(len(made))))
    return [_record(number, event, at, **more) for number, (event, at, more) in zip(numbers, made, strict=True)]


def _on(head: Head, *, purpose: str = "marketing", at: float = 60) -> set[Switch]:
    now = fold.micros(_NOON + timedelta(seconds=at))
    return {entry.switch for entry in switched_on(head, Question("sms", ("XE1",), purpose, now))}


# The fold ----------------------------------------------------------------------------------------------------------


@given(st.data())
def test_the_order_in_which_records_arrive_changes_nothing(data: st.DataObject) -> None:
    given_ = data.draw(records())

    assert fold.fold(data.draw(st.permutations(given_))) == fold.fold(given_)


@given(st.data())
def test_records_that_come_again_change_nothing_once_told_apart_by_their_id(data: st.DataObject) -> None:
    given_ = data.draw(records())
    again = given_ + (data.draw(st.lists(st.sampled_from(given_))) if given_ else [])
    merged = {record.record_id: record for record in data.draw(st.permutations(again))}

    assert fold.fold(merged.values()) == fold.fold(given_)


@given(records())
def test_a_head_is_read_back_as_it_was_written(given_: list[Record]) -> None:
    head = fold.fold(given_)

    assert fold.decode(head.version, fold.encode(head)) == head


@given(records())
def test_the_version_counts_every_record(given_: list[Record]) -> None:
    assert fold.fold(given_).version == len(given_)


# What opens and what closes ------------------------------------------------------------------------------------------


@given(records(), st.sampled_from([0, 0.5, 1, 2]), st.booleans())
def test_a_stop_that_ties_with_a_grant_closes(before: list[Record], extra: float, first: bool) -> None:
    at = 10 + extra
    stop, grant = (
        _record(1000 + first, Event.REVOKE_KEYWORD, at),
        _record(1001 - first, Event.GRANT_EXPLICIT, at, lifts=True),
    )

    assert Switch.OPTED_OUT in _on(fold.fold([*before, stop, grant]))


@given(records(), st.sampled_from(sorted(_REVOKING)))
def test_neither_an_import_nor_an_inferred_opt_out_lifts_anything(before: list[Record], event: Event) -> None:
    closed = [*before, _record(1000, event, 10)]
    imported, inferred = _record(1001, Event.GRANT_EXPLICIT, 20), _record(1002, Event.REVOKE_INFERRED, 20)

    assert _REVOKING[event] in _on(fold.fold([*closed, imported]))
    assert _on(fold.fold(closed)) - {Switch.UNREACHABLE} <= _on(fold.fold([*closed, inferred]))


@given(st.sampled_from(_ORIGINS), st.sampled_from(_ORIGINS), st.sampled_from(_MARKETING), st.sampled_from(_MARKETING))
def test_a_start_lifts_only_a_stop_said_in_the_same_place_about_the_same(
    there: str, here: str, about: str, of: str
) -> None:
    stop = _record(1, Event.REVOKE_KEYWORD, 10, origin=there, purpose=about)
    start = _record(2, Event.RESTORE_RESUME, 20, origin=here, purpose=of)

    assert (Switch.OPTED_OUT not in _on(fold.fold([stop, start]))) == ((there, about) == (here, of))


@given(records())
def test_an_unblock_lifts_blocks_and_nothing_else_that_a_person_said(before: list[Record]) -> None:
    was = _on(fold.fold(before))
    after = _on(fold.fold([*before, _record(1000, Event.RESTORE_UNBLOCKED, 10)]))

    assert was - after <= {Switch.BLOCKED, Switch.UNREACHABLE}
    assert after <= was - {Switch.BLOCKED, Switch.UNREACHABLE}


@given(st.sampled_from([Event.GRANT_EXPLICIT, Event.GRANT_IMPLICIT]), st.integers(-5, 5))
def test_a_grant_grants_until_it_runs_out_and_not_after(event: Event, seconds: int) -> None:
    head = fold.fold([_record(1, event, 0, expires_at=_NOON + timedelta(seconds=60))])

    assert bool(_on(head, at=60 + seconds) & _GRANTS) == (seconds < 0)


@given(st.sampled_from(sorted(_REVOKING)))
def test_a_grant_that_has_run_out_lifts_nothing(event: Event) -> None:
    ran_out = _record(2, Event.GRANT_EXPLICIT, 20, lifts=True, expires_at=_NOON + timedelta(seconds=30))

    assert _REVOKING[event] in _on(fold.fold([_record(1, event, 10), ran_out]), at=60)


@given(records(), st.sampled_from(sorted(_REVOKING)), st.sampled_from(_MARKETING))
def test_a_revocation_never_opens_anything(before: list[Record], event: Event, purpose: str) -> None:
    closed = set(Switch) - _GRANTS - {Switch.UNREACHABLE}
    after = _on(fold.fold([*before, _record(1000, event, 10, purpose=purpose)]))

    assert (_on(fold.fold(before)) & closed) | {_REVOKING[event]} <= after


# The tables ----------------------------------------------------------------------------------------------------------


def test_both_tables_decide_every_pair() -> None:
    assert set(lifecycle.TRANSITIONS) == {(switch, event) for switch in Switch for event in Event}
    assert set(delivery.TRANSITIONS) == {(state, step) for state in State for step in Step}
    assert set(lifecycle.TRANSITIONS.values()) == set(Effect)


@given(st.sampled_from([State.SENDING, State.UNKNOWN]), st.lists(st.sampled_from(State)))
def test_no_order_of_reports_moves_a_message_back(begun: State, reports: list[State]) -> None:
    state = begun
    for report in reports:
        after = reported(state, report)
        assert after is state or _RANK[after] > _RANK[state], (state, report)
        state = after


@pytest.mark.parametrize("state", sorted(delivery.FINAL - {State.DELIVERED}))
def test_no_report_moves_a_message_that_is_done(state: State) -> None:
    assert {reported(state, report) for report in State} == {state}
