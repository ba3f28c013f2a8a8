"""The message machine decides every pair, ends, and is not moved back by a late or repeated report."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.message import State
from consentry.rules.delivery import FINAL, TRANSITIONS, Step, movable, moved, reported

REPORTS = [State.SENT, State.DELIVERED, State.READ, State.UNDELIVERED, State.FAILED]
WAITING = (State.ACCEPTED, State.SCHEDULED, State.QUEUED)
RANK = {
    **dict.fromkeys(WAITING, 0),
    State.SENDING: 1,
    State.UNKNOWN: 2,
    State.SENT: 3,
    State.DELIVERED: 4,
    State.UNDELIVERED: 5,
    State.FAILED: 5,
    State.CANCELED: 5,
    State.REFUSED: 5,
    State.RECEIVED: 5,
    State.READ: 6,
}


def test_every_pair_of_state_and_step_is_decided() -> None:
    assert set(TRANSITIONS) == set(itertools.product(State, Step))


@pytest.mark.parametrize(
    "before,step,after",
    [
        (State.QUEUED, Step.HAND_OFF, State.SENDING),
        (State.SCHEDULED, Step.RELEASE, State.QUEUED),
        (State.QUEUED, Step.CANCEL, State.CANCELED),
        (State.SENDING, Step.CANCEL, State.SENDING),
        (State.SENDING, Step.PUT_BACK, State.QUEUED),
        (State.SENDING, Step.LOSE, State.UNKNOWN),
        (State.UNKNOWN, Step.HAND_OFF, State.UNKNOWN),
        (State.UNKNOWN, Step.PUT_BACK, State.UNKNOWN),
        (State.UNKNOWN, Step.REPORT_DELIVERED, State.DELIVERED),
        (State.SENT, Step.REPORT_UNDELIVERED, State.UNDELIVERED),
        (State.DELIVERED, Step.REPORT_SENT, State.DELIVERED),
        (State.DELIVERED, Step.REPORT_FAILED, State.DELIVERED),
        (State.DELIVERED, Step.REPORT_READ, State.READ),
        (State.QUEUED, Step.REPORT_DELIVERED, State.QUEUED),
        (State.RECEIVED, Step.REPORT_READ, State.RECEIVED),
    ],
)
def test_a_step_leads_where_it_should(before: State, step: Step, after: State) -> None:
    assert moved(before, step) is after


@pytest.mark.parametrize("state", sorted(FINAL - {State.DELIVERED}))
@pytest.mark.parametrize("step", Step)
def test_what_is_over_stays_over(state: State, step: Step) -> None:
    assert moved(state, step) is state


@pytest.mark.parametrize("step", [s for s in Step if s is not Step.HAND_OFF])
def test_only_a_hand_off_begins_a_sending(step: Step) -> None:
    assert [s for s in State if s is not State.SENDING and moved(s, step) is State.SENDING] == []


def test_a_hand_off_takes_what_waits_and_nothing_else() -> None:
    assert movable(Step.HAND_OFF) == WAITING


def test_nothing_but_a_put_back_moves_a_message_back() -> None:
    back = {(b, s, a) for (b, s), a in TRANSITIONS.items() if RANK[a] < RANK[b]}
    assert back == {(State.SENDING, Step.PUT_BACK, State.QUEUED)}


@given(st.lists(st.sampled_from(REPORTS), max_size=6))
def test_reports_end_at_the_same_state_if_each_is_repeated(reports: list[State]) -> None:
    once = twice = State.SENDING
    for report in reports:
        once = reported(once, report)
        twice = reported(reported(twice, report), report)
    assert once is twice


@given(st.permutations([State.SENT, State.DELIVERED, State.READ]))
def test_the_order_of_good_reports_does_not_matter(reports: list[State]) -> None:
    state = State.SENDING
    for report in reports:
        state = reported(state, report)
    assert state is State.READ


@given(st.permutations([State.SENT, State.UNDELIVERED, State.SENT, State.UNDELIVERED]))
def test_the_order_of_bad_reports_does_not_matter(reports: list[State]) -> None:
    state = State.SENDING
    for report in reports:
        state = reported(state, report)
    assert state is State.UNDELIVERED


@pytest.mark.parametrize("word", [s for s in State if s not in REPORTS])
@pytest.mark.parametrize("state", State)
def test_a_report_that_says_nothing_new_changes_nothing(state: State, word: State) -> None:
    assert reported(state, word) is state
