"""The one question that is asked before anything leaves: may this message go to this address now, and if not, why not.

Pure: facts, policy and now in, decision out. It gives every reason, not the first. What is unknown, missing or damaged
means no (I9). Accept asks it so that a caller learns at once; hand-off asks it again, and only that answer counts.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from consentry.kernel.consent import TOPIC, Category, Cell, Event, Head
from consentry.kernel.decision import Decision, Reason, ReasonCode, Verdict
from consentry.rules.compiled import Policy
from consentry.rules.fold import micros
from consentry.rules.lifecycle import Switch
from consentry.rules.switches import On, Question, expired_grant, switched_on


class SenderFacts(msgspec.Struct, frozen=True):
    """What the gate must know of the sender, its account, and the switch for everything."""

    sid: str
    channel: str
    paused: bool = False
    restricted: bool = False
    account_suspended: bool = False
    sends_paused: bool = False
    services: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One message that asks to go. `cause` is the record that a confirmation answers."""

    sender: SenderFacts
    purpose: str
    valid_until: datetime | None = None
    cause: str = ""
    cause_at: datetime | None = None


_CLOSED: Final[dict[Switch, tuple[ReasonCode, str, str]]] = {
    Switch.OPTED_OUT: (ReasonCode.REVOKED, "house.revocation", "the person opted out"),
    Switch.OPTED_OUT_INFERRED: (ReasonCode.REVOKED, "house.revocation.inferred", "the provider reports an opt-out"),
    Switch.BLOCKED: (ReasonCode.BLOCKED, "house.block", "the person blocked the sender; only the platform lifts that"),
    Switch.PROVIDER_BLOCKED: (ReasonCode.BLOCKED, "house.provider_block", "the provider blocks this address"),
    Switch.UNREACHABLE: (ReasonCode.UNREACHABLE, "house.reach", "the address cannot be reached"),
}
_PROMOTION: Final = frozenset({Category.MARKETING, Category.SURVEY, Category.POLITICAL, Category.CHARITY})
_IMMOVABLE: Final = frozenset({Switch.BLOCKED, Switch.PROVIDER_BLOCKED})


def decide(request: Request, head: Head, policy: Policy, now: datetime) -> Decision:
    """Decide one message: every reason, the rules, the records relied on, the policy digest and the head's version."""
    sender = request.sender
    category = Category.MARKETING if request.purpose.startswith(TOPIC) else request.purpose
    on = switched_on(head, Question(sender.channel, (sender.sid, *sender.services), request.purpose, micros(now)))
    exemption = _EXEMPTIONS.get(category)
    if exemption is not None:
        rules, records, refusals = exemption(request, head, on, policy, now)
    else:
        refusals = _closed(on, category)
        rules, records, missing = _consent(request, category, head, on, policy, now)
        refusals += missing
    if sender.account_suspended or request.valid_until is not None:
        refusals += _over(request, now)
    holds = _holds(sender) if sender.sends_paused or sender.paused or sender.restricted else []
    if not refusals and not holds:
        return Decision(Verdict.ALLOW, policy.digest, head.version, rules, records)
    verdict = Verdict.REFUSE if refusals else Verdict.DEFER
    return Decision(verdict, policy.digest, head.version, rules, records, tuple(refusals + holds))


def refuse_on_error(policy_digest: str, head_version: int, text: str) -> Decision:
    """Give the refusal that stands when a decision could not be made at all."""
    reason = Reason(ReasonCode.POLICY_ERROR, "house.fail_closed", text)
    return Decision(Verdict.REFUSE, policy_digest, head_version, reasons=(reason,))


def _closed(on: list[On], category: str) -> list[Reason]:
    found = []
    for entry in on:
        if entry.switch in _CLOSED:
            code, rule, text = _CLOSED[entry.switch]
            found.append(_reason(code, rule, text, entry.cell))
        elif entry.switch is Switch.OBJECTED:
            text = "the person complained about messages of this kind"
            found.append(_reason(ReasonCode.OBJECTED, "house.complaint", text, entry.cell))
        elif entry.switch is Switch.UNDER_REVIEW and category in _PROMOTION:
            text = "a possible opt-out waits for review; marketing is held"
            found.append(_reason(ReasonCode.UNDER_REVIEW, "house.review", text, entry.cell))
    return found


_GRANTED: Final = (Switch.GRANTED,)
_EITHER: Final = (Switch.GRANTED, Switch.IMPLIED)
_Answer = tuple[tuple[str, ...], tuple[str, ...], list[Reason]]


def _consent(request: Request, category: str, head: Head, on: list[On], policy: Policy, now: datetime) -> _Answer:
    needed = policy.requirement(request.sender.channel, category, now.date())
    if needed is None:
        text = f"no rule allows {category} on {request.sender.channel}"
        return (), (), [Reason(ReasonCode.CATEGORY_NOT_ALLOWED, "house.fail_closed", text)]
    if needed.level == "none":
        return needed.rules, (), []
    enough = _EITHER if needed.level == "implied" else _GRANTED
    grants = [entry.cell for entry in on if entry.switch in enough]
    if grants:
        best = grants[0] if len(grants) == 1 else max(grants, key=lambda cell: (cell.at, cell.record))
        return needed.rules, (_sid(best),), []
    return needed.rules, (), [_missing(request, head, needed.rules[0], now)]


def _missing(request: Request, head: Head, rule: str, now: datetime) -> Reason:
    sender = request.sender
    ran_out = expired_grant(
        head, Question(sender.channel, (sender.sid, *sender.services), request.purpose, micros(now))
    )
    if ran_out is not None:
        return _reason(ReasonCode.EXPIRED, rule, "the opt-in has run out", ran_out)
    other = next((cell for cell in head.cells if cell.event == "grant.explicit"), None)
    if other is not None:
        text = f"the opt-in on file is for {other.channel}, {other.purpose}, sender {other.sender}"
        return _reason(ReasonCode.SCOPE_MISMATCH, rule, text, other)
    return Reason(ReasonCode.NO_CONSENT, rule, f"no opt-in for {request.purpose} on {sender.channel}")


def _confirm_revocation(request: Request, head: Head, on: list[On], policy: Policy, now: datetime) -> _Answer:
    """Allow the one confirmation of a STOP while that STOP still stands, and only in time (47 CFR 64.1200(a)(12))."""
    refusals = list(_closed([e for e in on if e.switch in _IMMOVABLE], request.purpose))
    if not _stands(request, head, now):
        text = "the opt-out that this would confirm was taken back"
        refusals.append(Reason(ReasonCode.CONFIRMATION_MOOT, "house.confirmation.revocation", text))
    return _in_time(request, refusals, policy, now)


def _stands(request: Request, head: Head, now: datetime) -> bool:
    """Tell whether the STOP to confirm stands, or one said to the same sender after it, which is not confirmed itself."""
    sender = request.sender
    for said in head.cells:
        if said.event == Event.REVOKE_KEYWORD and (said.record == request.cause or said.origin == sender.sid):
            on = switched_on(head, Question(sender.channel, (sender.sid, *sender.services), said.purpose, micros(now)))
            if any(entry.cell is said for entry in on):
                return True
    return False


def _confirm_resume(request: Request, head: Head, on: list[On], policy: Policy, now: datetime) -> _Answer:
    """Allow the confirmation of a START if nothing is closed any more."""
    return _in_time(request, _closed(on, request.purpose), policy, now)


def _answer_help(request: Request, head: Head, on: list[On], policy: Policy, now: datetime) -> _Answer:
    """Allow the answer to HELP even to one who opted out: the person asked (CTIA)."""
    return _in_time(request, _closed([e for e in on if e.switch in _IMMOVABLE], request.purpose), policy, now)


def _in_time(request: Request, refusals: list[Reason], policy: Policy, now: datetime) -> _Answer:
    found = policy.confirmation(request.purpose, request.sender.channel, now.date())
    if found is None or request.cause_at is None:
        text = f"no rule allows {request.purpose} on {request.sender.channel}"
        return (), (), [*refusals, Reason(ReasonCode.CATEGORY_NOT_ALLOWED, "house.fail_closed", text)]
    body, rule = found
    if (now - request.cause_at).total_seconds() > body.within_s:
        text = f"more than {body.within_s} s after the message that it answers"
        refusals = [*refusals, Reason(ReasonCode.CONFIRMATION_LATE, rule, text)]
    return (rule,), (f"CR{request.cause}",) if request.cause else (), refusals


_Exemption = Callable[[Request, Head, list[On], Policy, datetime], _Answer]
_EXEMPTIONS: Final[dict[str, _Exemption]] = {
    Category.REVOCATION_CONFIRMATION: _confirm_revocation,
    Category.OPTIN_CONFIRMATION: _confirm_resume,
    Category.HELP_REPLY: _answer_help,
}


def _over(request: Request, now: datetime) -> list[Reason]:
    reasons = []
    if request.sender.account_suspended:
        reasons.append(Reason(ReasonCode.ACCOUNT_SUSPENDED, "house.account", "the account is suspended"))
    if request.valid_until is not None and now >= request.valid_until:
        reasons.append(Reason(ReasonCode.VALIDITY_EXPIRED, "house.validity", "the validity period is over"))
    return reasons


def _holds(sender: SenderFacts) -> list[Reason]:
    reasons = []
    if sender.sends_paused:
        reasons.append(Reason(ReasonCode.KILL_SWITCH, "house.kill_switch", "sending is switched off"))
    if sender.paused:
        reasons.append(Reason(ReasonCode.SENDER_PAUSED, "house.sender", "the sender is paused"))
    if sender.restricted:
        reasons.append(Reason(ReasonCode.SENDER_RESTRICTED, "house.sender", "the platform restricts the sender"))
    return reasons


def _sid(cell: Cell) -> str:
    return f"CR{cell.record}"


def _reason(code: ReasonCode, rule: str, text: str, cell: Cell) -> Reason:
    return Reason(code, rule, text, (_sid(cell),))
