"""What an inbound message means for consent, and the one message that answers a keyword."""

from consentry.flows.accept import Draft
from consentry.flows.append import Appended, Fact
from consentry.flows.ports import Ports, day
from consentry.kernel.address import Address
from consentry.kernel.consent import ALL, Category, Event, Head
from consentry.kernel.directory import Sender
from consentry.kernel.message import Direction, Inbound
from consentry.rules.fold import micros
from consentry.rules.lifecycle import Switch
from consentry.rules.switches import Question, switched_on
from consentry.store.ledger import Evidence

_EVENT = {"stop": Event.REVOKE_KEYWORD, "start": Event.RESTORE_RESUME, "help": Event.HELP_REQUESTED}
_ANSWER = {
    Event.REVOKE_KEYWORD: Category.REVOCATION_CONFIRMATION,
    Event.RESTORE_RESUME: Category.OPTIN_CONFIRMATION,
    Event.HELP_REQUESTED: Category.HELP_REPLY,
}


def fact_of(
    ports: Ports, sender: Sender, address: Address, said: str | None, item: Inbound, evidence: Evidence
) -> Fact:
    """Give the fact in an inbound message: a keyword, or that the person wrote and may be answered.

    A STOP reaches as far as policy says; a START has the scope of the STOP that it undoes.
    """
    now = item.occurred_at or ports.clock.now()
    event = _EVENT.get(said or "", Event.GRANT_IMPLICIT)
    everywhere, rule = ports.policy.revocation_reach(Event.REVOKE_KEYWORD, str(address.channel), day(now))
    scoped = said in {"stop", "start"}
    return Fact(
        address=address,
        event=event,
        purpose=Category.CONVERSATIONAL.value if event is Event.GRANT_IMPLICIT else ALL,
        sender=ALL if scoped and everywhere else sender.sid,
        origin=sender.sid,
        source="webhook",
        actor="person",
        occurred_at=item.occurred_at,
        evidence=evidence,
        provider=sender.provider,
        provider_event_id=item.provider_message_id,
        rule_id=rule if scoped else "",
    )


def draft_of(ports: Ports, sender: Sender, address: Address, appended: Appended) -> Draft | None:
    """Give the confirmation or help text that answers a keyword, if the policy has one and the state has changed.

    A second STOP, and a START that restores nothing, are not answered.
    """
    category = _ANSWER.get(appended.record.event)
    if category is None:
        return None
    record = appended.record
    found = ports.policy.confirmation(category, str(address.channel), day(record.recorded_at))
    if found is None or not _changed(sender, address, appended):
        return None
    body, _ = found
    return Draft(
        sender=sender,
        to=address,
        body=body.text,
        purpose=category.value,
        direction=Direction.SYSTEM,
        validity_s=body.within_s,
        cause=record.record_id,
        cause_at=record.recorded_at,
    )


def _changed(sender: Sender, address: Address, appended: Appended) -> bool:
    event, now = appended.record.event, micros(appended.record.recorded_at)
    if event is Event.HELP_REQUESTED:
        return True
    was = _closed(appended.before, sender, address, now)
    if event is Event.REVOKE_KEYWORD:
        return not was
    return was and not _closed(appended.after, sender, address, now)


def _closed(head: Head, sender: Sender, address: Address, now: int) -> bool:
    """Tell whether a STOP stands and no purpose has been opened again since."""
    on = switched_on(head, Question(str(address.channel), (sender.sid,), ALL, now))
    stops = [entry.cell.at for entry in on if entry.switch is Switch.OPTED_OUT]
    return bool(stops) and not any(cell.lifts and cell.at > max(stops) for cell in head.cells)
