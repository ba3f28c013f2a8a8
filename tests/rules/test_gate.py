"""The gate as a golden table: facts → verdict and every reason, in the order in which they are given."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from tests.rules import facts
from tests.rules.facts import CAUSE, NOW, POLICY, XE, cell, head, sender

from consentry.kernel.consent import SYSTEM_CATEGORIES, Category, Cell, Head
from consentry.kernel.decision import ReasonCode as R
from consentry.kernel.decision import Verdict
from consentry.rules.fold import decode
from consentry.rules.gate import Request, decide, refuse_on_error

ALLOW, DEFER, REFUSE = Verdict.ALLOW, Verdict.DEFER, Verdict.REFUSE
GRANT = cell("grant.explicit")
MICROSECOND = timedelta(microseconds=1)


def answer(request: Request, cells: Head, now: datetime = NOW) -> tuple[Verdict, list[R]]:
    """Give verdict and reason codes."""
    found = decide(request, cells, POLICY, now)
    return found.verdict, [reason.code for reason in found.reasons]


@pytest.mark.parametrize(
    "cells,purpose,verdict,codes",
    [
        ([], "marketing", REFUSE, [R.NO_CONSENT]),
        ([], "otp", REFUSE, [R.NO_CONSENT]),
        ([], "made-up", REFUSE, [R.NO_CONSENT]),
        ([], "conversational", REFUSE, [R.NO_CONSENT]),
        ([GRANT], "marketing", ALLOW, []),
        ([GRANT], "otp", REFUSE, [R.SCOPE_MISMATCH]),
        ([cell("grant.explicit", purpose="all")], "otp", ALLOW, []),
        ([GRANT], "topic:shoes", ALLOW, []),
        ([cell("grant.explicit", purpose="topic:shoes")], "topic:shoes", ALLOW, []),
        ([cell("grant.explicit", purpose="topic:shoes")], "topic:hats", REFUSE, [R.SCOPE_MISMATCH]),
        ([cell("grant.explicit", purpose="topic:shoes")], "marketing", REFUSE, [R.SCOPE_MISMATCH]),
        ([cell("grant.explicit", sender="XEother")], "marketing", REFUSE, [R.SCOPE_MISMATCH]),
        ([cell("grant.explicit", sender=XE)], "marketing", ALLOW, []),
        ([cell("grant.explicit", sender="MGpool")], "marketing", ALLOW, []),
        ([cell("grant.implicit")], "marketing", REFUSE, [R.NO_CONSENT]),
        ([cell("grant.implicit", purpose="conversational")], "conversational", ALLOW, []),
        ([cell("grant.explicit", purpose="conversational")], "conversational", ALLOW, []),
        # Opt-outs: the family shares them, grants are of one channel.
        ([GRANT, cell("revoke.keyword", at=1)], "marketing", REFUSE, [R.REVOKED]),
        ([GRANT, cell("revoke.keyword", at=0)], "marketing", REFUSE, [R.REVOKED]),
        ([GRANT, cell("revoke.keyword", at=-1)], "marketing", REFUSE, [R.REVOKED]),
        ([cell("grant.explicit", lifts=True), cell("revoke.keyword", at=-1)], "marketing", ALLOW, []),
        ([cell("grant.explicit", lifts=True), cell("revoke.keyword", at=0)], "marketing", REFUSE, [R.REVOKED]),
        ([GRANT, cell("revoke.keyword", channel="rcs", at=1)], "marketing", REFUSE, [R.REVOKED]),
        ([cell("grant.explicit", channel="rcs")], "marketing", REFUSE, [R.SCOPE_MISMATCH]),
        ([GRANT, cell("revoke.preference", purpose="topic:shoes", at=1)], "topic:shoes", REFUSE, [R.REVOKED]),
        ([GRANT, cell("revoke.preference", purpose="topic:shoes", at=1)], "topic:hats", ALLOW, []),
        ([GRANT, cell("revoke.preference", purpose="marketing", at=1)], "topic:hats", REFUSE, [R.REVOKED]),
        ([GRANT, cell("revoke.keyword", sender="XEother", at=1)], "marketing", ALLOW, []),
        ([GRANT, cell("revoke.keyword", sender=XE, at=1)], "marketing", REFUSE, [R.REVOKED]),
        # What an inferred opt-out, a START and a platform may do.
        ([GRANT, cell("revoke.inferred", at=1)], "marketing", REFUSE, [R.REVOKED]),
        ([cell("grant.explicit", lifts=True), cell("revoke.inferred", at=-1)], "marketing", ALLOW, []),
        (
            [GRANT, cell("revoke.keyword", origin=XE, at=1), cell("restore.resume", origin=XE, at=2)],
            "marketing",
            ALLOW,
            [],
        ),
        (
            [GRANT, cell("revoke.keyword", origin=XE, at=1), cell("restore.resume", origin="XEother", at=2)],
            "marketing",
            REFUSE,
            [R.REVOKED],
        ),
        ([GRANT, cell("revoke.block", at=-9)], "marketing", REFUSE, [R.BLOCKED]),
        ([GRANT, cell("revoke.block", at=1), cell("restore.unblocked", at=2)], "marketing", ALLOW, []),
        ([GRANT, cell("provider_block.observed", at=1)], "marketing", REFUSE, [R.BLOCKED]),
        ([GRANT, cell("provider_block.observed", at=1), cell("provider_block.cleared", at=2)], "marketing", ALLOW, []),
        ([GRANT, cell("revoke.complaint", at=1)], "marketing", REFUSE, [R.OBJECTED]),
        ([GRANT, cell("reach.lost", at=1)], "marketing", REFUSE, [R.UNREACHABLE]),
        ([GRANT, cell("reach.lost", at=1), cell("reach.restored", at=2)], "marketing", ALLOW, []),
        ([GRANT, cell("review.possible_optout", at=1)], "marketing", REFUSE, [R.UNDER_REVIEW]),
        ([GRANT, cell("review.possible_optout", at=1)], "topic:shoes", REFUSE, [R.UNDER_REVIEW]),
        ([cell("grant.explicit", purpose="all"), cell("review.possible_optout", at=1)], "otp", ALLOW, []),
    ],
)
def test_what_is_on_file_decides(cells: list[Cell], purpose: str, verdict: Verdict, codes: list[R]) -> None:
    assert answer(Request(sender(), purpose), head(*cells)) == (verdict, codes)


@pytest.mark.parametrize(
    "changed,verdict,codes",
    [
        ({}, ALLOW, []),
        ({"paused": True}, DEFER, [R.SENDER_PAUSED]),
        ({"restricted": True}, DEFER, [R.SENDER_RESTRICTED]),
        ({"sends_paused": True}, DEFER, [R.KILL_SWITCH]),
        ({"account_suspended": True}, REFUSE, [R.ACCOUNT_SUSPENDED]),
        ({"paused": True, "account_suspended": True}, REFUSE, [R.ACCOUNT_SUSPENDED, R.SENDER_PAUSED]),
        (
            {"paused": True, "restricted": True, "sends_paused": True},
            DEFER,
            [R.KILL_SWITCH, R.SENDER_PAUSED, R.SENDER_RESTRICTED],
        ),
    ],
)
def test_a_pause_holds_and_a_suspension_refuses(changed: dict[str, bool], verdict: Verdict, codes: list[R]) -> None:
    assert answer(Request(sender(**changed), "marketing"), head(GRANT)) == (verdict, codes)


def test_every_reason_is_given_not_the_first() -> None:
    cells = head(
        cell("revoke.keyword"),
        cell("revoke.inferred"),
        cell("revoke.block"),
        cell("revoke.complaint"),
        cell("reach.lost", at=1),
        cell("review.possible_optout"),
    )
    request = Request(sender(paused=True, sends_paused=True, account_suspended=True), "marketing", valid_until=NOW)

    verdict, codes = answer(request, cells)

    assert verdict is REFUSE
    assert sorted(codes) == sorted(
        [
            R.REVOKED,
            R.REVOKED,
            R.BLOCKED,
            R.OBJECTED,
            R.UNREACHABLE,
            R.UNDER_REVIEW,
            R.NO_CONSENT,
            R.ACCOUNT_SUSPENDED,
            R.VALIDITY_EXPIRED,
            R.KILL_SWITCH,
            R.SENDER_PAUSED,
        ]
    )


@pytest.mark.parametrize("micros,codes", [(-1, []), (0, [R.EXPIRED]), (1, [R.EXPIRED])])
def test_a_grant_runs_out_at_its_very_microsecond(micros: int, codes: list[R]) -> None:
    expires = datetime(2027, 1, 1, tzinfo=UTC)
    found = answer(
        Request(sender(), "marketing"),
        head(cell("grant.explicit", expires=expires)),
        expires + micros * MICROSECOND,
    )
    assert found[1] == codes


def test_an_opt_in_that_has_run_out_does_not_lift_an_opt_out() -> None:
    cells = head(cell("grant.explicit", at=1, lifts=True, expires=NOW), cell("revoke.keyword", at=0))
    assert answer(Request(sender(), "marketing"), cells)[1] == [R.REVOKED, R.EXPIRED]


@pytest.mark.parametrize("micros,codes", [(1, []), (0, [R.VALIDITY_EXPIRED]), (-1, [R.VALIDITY_EXPIRED])])
def test_a_message_is_over_at_the_end_of_its_validity(micros: int, codes: list[R]) -> None:
    request = Request(sender(), "marketing", valid_until=NOW + micros * MICROSECOND)
    assert answer(request, head(GRANT))[1] == codes


STOP = cell("revoke.keyword", record=CAUSE, at=1)
STARTED = cell("restore.resume", at=2)
PROMOTIONS_STOPPED = cell("revoke.keyword", record=CAUSE, at=1, purpose="marketing")


@pytest.mark.parametrize(
    "category,cells,late_s,verdict,codes",
    [
        ("revocation_confirmation", [STOP], 0, ALLOW, []),
        ("revocation_confirmation", [STOP, STARTED], 0, REFUSE, [R.CONFIRMATION_MOOT]),
        ("revocation_confirmation", [STOP, cell("restore.resume", origin="XEother", at=2)], 0, ALLOW, []),
        ("revocation_confirmation", [STOP, cell("grant.explicit", purpose="all", lifts=True, at=2)], 0, REFUSE, [R.CONFIRMATION_MOOT]),
        ("revocation_confirmation", [PROMOTIONS_STOPPED], 0, ALLOW, []),
        ("revocation_confirmation", [STOP], 300, ALLOW, []),
        ("revocation_confirmation", [STOP], 300.000001, REFUSE, [R.CONFIRMATION_LATE]),
        ("revocation_confirmation", [], 0, REFUSE, [R.CONFIRMATION_MOOT]),
        ("revocation_confirmation", [cell("revoke.keyword", at=2)], 0, REFUSE, [R.CONFIRMATION_MOOT]),
        ("revocation_confirmation", [cell("revoke.keyword", at=2)], 301, REFUSE, [R.CONFIRMATION_MOOT, R.CONFIRMATION_LATE]),
        ("revocation_confirmation", [STOP, cell("revoke.block")], 0, REFUSE, [R.BLOCKED]),
        ("revocation_confirmation", [STOP, cell("provider_block.observed")], 0, REFUSE, [R.BLOCKED]),
        ("optin_confirmation", [GRANT], 0, ALLOW, []),
        ("optin_confirmation", [STOP], 0, REFUSE, [R.REVOKED]),
        ("optin_confirmation", [GRANT], 301, REFUSE, [R.CONFIRMATION_LATE]),
        ("help_reply", [], 0, ALLOW, []),
        ("help_reply", [STOP], 0, ALLOW, []),
        ("help_reply", [cell("revoke.block")], 0, REFUSE, [R.BLOCKED]),
        ("help_reply", [], 301, REFUSE, [R.CONFIRMATION_LATE]),
    ],
)  # fmt: skip
def test_the_service_answers_a_keyword_once_and_in_time(
    category: str, cells: list[Cell], late_s: float, verdict: Verdict, codes: list[R]
) -> None:
    request = Request(sender(), category, cause=CAUSE, cause_at=NOW - timedelta(seconds=late_s))
    assert answer(request, head(*cells)) == (verdict, codes)


@pytest.mark.parametrize("category", sorted(SYSTEM_CATEGORIES - {Category.DOUBLE_OPTIN_REQUEST}))
def test_a_confirmation_without_a_cause_is_refused(category: str) -> None:
    verdict, codes = answer(Request(sender(), category), head(GRANT))
    assert verdict is REFUSE
    assert R.CATEGORY_NOT_ALLOWED in codes


def test_a_pause_holds_confirmations_too() -> None:
    request = Request(sender(sends_paused=True), "help_reply", cause=CAUSE, cause_at=NOW)
    assert answer(request, head()) == (DEFER, [R.KILL_SWITCH])


def test_what_no_rule_allows_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    policy = facts.policy_of(tmp_path_factory.mktemp("policies"), facts.ONLY_OTP)
    found = decide(Request(sender(), "marketing"), head(GRANT), policy, NOW)
    assert (found.verdict, [r.code for r in found.reasons]) == (REFUSE, [R.CATEGORY_NOT_ALLOWED])
    assert decide(Request(sender(), "otp"), head(), policy, NOW).verdict is ALLOW


def test_a_head_that_cannot_be_understood_gives_no_answer_and_never_yes() -> None:
    with pytest.raises(KeyError):
        decide(Request(sender(), "marketing"), head(GRANT, cell("revoke.by_pigeon")), POLICY, NOW)


@pytest.mark.parametrize("state", [b"{", b"[[]]", b'[["grant.explicit"]]', b"\xff", b"null"])
def test_a_damaged_head_is_no_head(state: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(3, state)


def test_an_error_while_deciding_refuses() -> None:
    found = refuse_on_error("digest", 7, "the head is damaged")
    assert (found.verdict, found.head_version, found.reasons[0].code) == (REFUSE, 7, R.POLICY_ERROR)


def test_a_decision_names_rules_records_policy_and_version() -> None:
    older, newer = cell("grant.explicit", at=-5, sender=XE), cell("grant.explicit", at=-2)
    found = decide(Request(sender(), "marketing"), head(older, newer), POLICY, NOW)
    assert found.records == (f"CR{newer.record}",)
    assert found.rules == ("house.consent.required",)
    assert (found.policy, found.head_version) == (POLICY.digest, 2)


def test_a_refusal_names_the_record_it_rests_on() -> None:
    found = decide(Request(sender(), "marketing"), head(GRANT, STOP), POLICY, NOW)
    assert found.reasons[0].records == (f"CR{CAUSE}",)


def test_every_reason_that_the_gate_has_is_in_this_table() -> None:
    never_given = {R.PENDING, R.REQUESTED}  # words of CAMARA for flows that ask a person first
    given = {
        R.REVOKED, R.EXPIRED, R.OBJECTED, R.NO_CONSENT, R.SCOPE_MISMATCH, R.BLOCKED, R.UNREACHABLE, R.UNDER_REVIEW,
        R.SENDER_PAUSED, R.SENDER_RESTRICTED, R.KILL_SWITCH, R.ACCOUNT_SUSPENDED, R.VALIDITY_EXPIRED,
        R.CONFIRMATION_LATE, R.CONFIRMATION_MOOT, R.CATEGORY_NOT_ALLOWED, R.POLICY_ERROR,
    }  # fmt: skip
    assert given | never_given == set(R)


def test_the_same_facts_always_give_the_same_bytes() -> None:
    request = Request(sender(paused=True), "marketing")
    once, again = (msgspec.json.encode(decide(request, head(GRANT, STOP), POLICY, NOW)) for _ in range(2))
    assert once == again
