"""`consentry check`: ask the gate about one address, without sending and without a running gateway."""

import click

from consentry.cli import output
from consentry.cli.session import account_named, operator, visit
from consentry.flows import consents
from consentry.flows.consents import Check, Checker
from consentry.flows.ports import Ports
from consentry.kernel.address import Address, InvalidAddress, parse_recipient
from consentry.kernel.consent import ALL, parse_purpose
from consentry.kernel.decision import Decision
from consentry.kernel.errors import Invalid
from consentry.rules.gate import SenderFacts
from consentry.settings import Settings
from consentry.web import views


def run(
    settings: Settings, address: str, *, purpose: str, sender: str | None, account: str | None, as_json: bool
) -> int:
    """Show the gate's answer; give 0 if a message may go now, else 1. Errors: Invalid names what to change."""
    try:
        to = parse_recipient(address)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error
    wanted = parse_purpose(purpose, allow_all=False)

    async def work(ports: Ports) -> Decision:
        found = None if sender is None else ports.directory.sender_by_sid(sender)
        principal = operator(account_named(ports, account or (found.account_sid if found else None)))
        facts = SenderFacts(sid=ALL, channel=to.channel.value, sends_paused=ports.directory.sends_paused)
        if sender is not None:
            own = consents.sender_of(ports, principal, sender)
            if own.channel is not to.channel:
                raise Invalid(f"the sender is on {own.channel}, the address on {to.channel}", field="sender")
            facts = ports.facts(own)
        asked = Check(principal.account.account_id, to, facts, wanted)
        return (await Checker(ports).many([asked]))[0]

    decision = visit(settings, work)
    if as_json:
        output.as_json({"address": to.text, "purpose": wanted, **_document(decision)})
    else:
        _show(to, wanted, decision)
    return 0 if decision.allowed else 1


def _document(decision: Decision) -> dict[str, object]:
    view = views.decision(decision)
    return {name: getattr(view, name) for name in view.__struct_fields__}


def _show(to: Address, purpose: str, decision: Decision) -> None:
    word = {"allow": "allowed", "defer": "not now", "refuse": "refused"}[decision.verdict.value]
    colour = "green" if decision.allowed else "red"
    click.echo(f"{click.style(word, fg=colour, bold=True)}  {to.text}, {purpose} on {to.channel}")
    for reason in decision.reasons:
        click.echo(f"  {reason.code}  {reason.text}  (rule {reason.rule})" + "".join(f"  {r}" for r in reason.records))
    if decision.allowed:
        click.echo(f"  rules    {', '.join(decision.rules)}\n  records  {', '.join(decision.records) or 'none needed'}")
    click.echo(f"  policy   {decision.policy}, head version {decision.head_version}")
