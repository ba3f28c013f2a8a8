"""The consent machine decides every pair of switch and event, and says no unless a person says yes."""

import itertools

import pytest
from tests.rules.facts import NOW, XE, cell, head

from consentry.kernel.consent import REVOCATIONS, Event
from consentry.rules.fold import micros
from consentry.rules.lifecycle import CLEARS, REMEMBERED, SETS, TRANSITIONS, Effect, Switch
from consentry.rules.switches import Question, covers, switched_on

CLOSING = {
    Switch.OPTED_OUT,
    Switch.OPTED_OUT_INFERRED,
    Switch.OBJECTED,
    Switch.BLOCKED,
    Switch.PROVIDER_BLOCKED,
    Switch.UNDER_REVIEW,
}
QUESTION = Question("sms", (XE,), "marketing", micros(NOW))


def on(*cells: object) -> list[Switch]:
    """Give the switches that are on for marketing on sms."""
    return sorted(entry.switch for entry in switched_on(head(*cells), QUESTION))  # type: ignore[arg-type]


def test_every_pair_of_switch_and_event_is_decided() -> None:
    assert set(TRANSITIONS) == set(itertools.product(Switch, Event))


@pytest.mark.parametrize("switch", Switch)
def test_every_switch_can_be_set_and_every_closed_one_opened(switch: Switch) -> None:
    assert [event for event in Event if switch in SETS[event]] != []
    assert (switch in {Switch.GRANTED, Switch.IMPLIED}) is (CLEARS[switch] == {})


def test_no_event_sets_and_clears_at_once_a_grant_and_its_opposite() -> None:
    assert {e for e in Event if {Switch.GRANTED, Switch.IMPLIED} & {*SETS[e]} and CLOSING & {*SETS[e]}} == set()


def test_every_revocation_closes_something() -> None:
    assert {event for event in Event if CLOSING & {*SETS[event]}} == REVOCATIONS | {Event.PROVIDER_BLOCK_OBSERVED}


def test_only_the_platform_lifts_a_block() -> None:
    assert CLEARS[Switch.BLOCKED] == {"restore.unblocked": Effect.CLEAR}
    assert CLEARS[Switch.PROVIDER_BLOCKED] == {"provider_block.cleared": Effect.CLEAR}


@pytest.mark.parametrize("switch", [Switch.OPTED_OUT, Switch.OPTED_OUT_INFERRED, Switch.UNDER_REVIEW])
def test_only_a_start_in_the_same_place_or_an_evidenced_opt_in_lifts_an_opt_out(switch: Switch) -> None:
    assert CLEARS[switch] == {
        "restore.resume": Effect.CLEAR_SAME_ORIGIN,
        "grant.explicit": Effect.CLEAR_IF_EVIDENCED,
    }


def test_a_start_does_not_lift_a_complaint() -> None:
    assert CLEARS[Switch.OBJECTED] == {"grant.explicit": Effect.CLEAR_IF_EVIDENCED}


def test_events_that_throw_no_switch_leave_nothing_in_the_head() -> None:
    assert set(Event) - {*REMEMBERED} == {
        Event.IDENTITY_CHANGED,
        Event.IDENTITY_LINKED,
        Event.SENDER_RESTRICTED,
        Event.SENDER_RESTORED,
    }


def test_nothing_is_on_at_first() -> None:
    assert on() == []


@pytest.mark.parametrize("event", sorted(REVOCATIONS))
@pytest.mark.parametrize("by", Event)
def test_on_a_tie_the_opt_out_stays(event: Event, by: Event) -> None:
    closed = on(cell(event, at=1))
    assert {*closed} <= {*on(cell(event, at=1), cell(by, at=1, lifts=True))}
    assert {*closed} <= {*on(cell(event, at=1), cell(by, at=0, lifts=True))}


@pytest.mark.parametrize("by", Event)
def test_an_import_lifts_no_opt_out(by: Event) -> None:
    if by is not Event.RESTORE_RESUME:
        assert Switch.OPTED_OUT in on(cell("revoke.keyword", at=1), cell(by, at=2, lifts=False))


@pytest.mark.parametrize(
    "by,lifted",
    [
        (cell("grant.explicit", at=2, lifts=True), True),
        (cell("grant.explicit", at=2, lifts=True, purpose="all"), True),
        (cell("grant.explicit", at=2, lifts=True, channel="rcs"), False),
        (cell("grant.explicit", at=2, lifts=True, purpose="otp"), False),
        (cell("grant.explicit", at=2, lifts=True, purpose="topic:shoes"), False),
        (cell("grant.explicit", at=2, lifts=True, sender=XE), True),
        (cell("grant.explicit", at=2, lifts=True, sender="XEother"), False),
        (cell("grant.implicit", at=2, lifts=True), False),
        (cell("reach.restored", at=2, lifts=True), False),
        (cell("restore.resume", at=2), True),
        (cell("restore.resume", at=2, origin="XEother"), False),
        (cell("restore.unblocked", at=2), False),
    ],
)
def test_an_opt_in_lifts_an_opt_out_only_where_it_speaks(by: object, lifted: bool) -> None:
    assert (Switch.OPTED_OUT not in on(cell("revoke.keyword", at=1), by)) is lifted


@pytest.mark.parametrize(
    "declared,asked,included",
    [
        ("all", "otp", True),
        ("marketing", "marketing", True),
        ("marketing", "topic:shoes", True),
        ("topic:shoes", "marketing", False),
        ("topic:shoes", "topic:shoe", False),
        ("topic:shoe", "topic:shoes", False),
        ("otp", "topic:shoes", False),
        ("marketing", "otp", False),
        ("otp", "all", False),
    ],
)
def test_a_topic_is_part_of_marketing_and_of_nothing_else(declared: str, asked: str, included: bool) -> None:
    assert covers(declared, asked) is included
