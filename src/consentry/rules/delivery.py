"""The message machine: one total table of state and event. A late or repeated report never moves a message back."""

from enum import StrEnum
from typing import Final

from consentry.kernel.message import State


class Step(StrEnum):
    """What can happen to a message."""

    RELEASE = "release"
    HAND_OFF = "hand off"
    PUT_BACK = "put back"
    LOSE = "lose"
    REFUSE = "refuse"
    CANCEL = "cancel"
    FAIL = "fail"
    REPORT_SENT = "report sent"
    REPORT_DELIVERED = "report delivered"
    REPORT_READ = "report read"
    REPORT_UNDELIVERED = "report undelivered"
    REPORT_FAILED = "report failed"


_WAITING: Final[dict[Step, State]] = {
    Step.HAND_OFF: State.SENDING,
    Step.REFUSE: State.FAILED,
    Step.CANCEL: State.CANCELED,
    Step.FAIL: State.FAILED,
}
_OUT: Final[dict[Step, State]] = {
    Step.REPORT_SENT: State.SENT,
    Step.REPORT_DELIVERED: State.DELIVERED,
    Step.REPORT_READ: State.READ,
    Step.REPORT_UNDELIVERED: State.UNDELIVERED,
    Step.REPORT_FAILED: State.FAILED,
}
_MOVES: Final[dict[State, dict[Step, State]]] = {
    State.ACCEPTED: {**_WAITING, Step.RELEASE: State.QUEUED},
    State.SCHEDULED: {**_WAITING, Step.RELEASE: State.QUEUED},
    State.QUEUED: _WAITING,
    State.SENDING: {
        **_OUT,
        Step.PUT_BACK: State.QUEUED,
        Step.LOSE: State.UNKNOWN,
        Step.FAIL: State.FAILED,
        Step.REFUSE: State.FAILED,
    },
    State.UNKNOWN: {**_OUT, Step.FAIL: State.FAILED},
    State.SENT: {step: state for step, state in _OUT.items() if state is not State.SENT},
    State.DELIVERED: {Step.REPORT_READ: State.READ},
    State.READ: {},
    State.UNDELIVERED: {},
    State.FAILED: {},
    State.CANCELED: {},
    State.REFUSED: {},
    State.RECEIVED: {},
}

TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (state, step): _MOVES[state].get(step, state) for state in State for step in Step
}
"""Every pair is decided; a step that does not apply leaves the state as it is."""

FINAL: Final = frozenset({State.DELIVERED, State.READ, State.UNDELIVERED, State.FAILED, State.CANCELED, State.REFUSED})

_REPORTS: Final = {
    State.SENT: Step.REPORT_SENT,
    State.DELIVERED: Step.REPORT_DELIVERED,
    State.READ: Step.REPORT_READ,
    State.UNDELIVERED: Step.REPORT_UNDELIVERED,
    State.FAILED: Step.REPORT_FAILED,
}


def moved(state: State, step: Step) -> State:
    """Give the state after a step."""
    return TRANSITIONS[state, step]


def movable(step: Step) -> tuple[State, ...]:
    """Give the states that a step moves: the guard that an update in the database carries."""
    return tuple(state for state in State if TRANSITIONS[state, step] is not state)


def reported(state: State, report: State) -> State:
    """Give the state after a provider's report; a word that says nothing new leaves it."""
    step = _REPORTS.get(report)
    return state if step is None else TRANSITIONS[state, step]
