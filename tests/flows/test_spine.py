"""The story of the product, flow by flow, on a real database."""

from tests.build import a_draft, a_grant, a_phone, a_principal, a_sender

from consentry.app import Process
from consentry.flows import simulate


async def test_a_message_without_an_opt_in_is_refused(process: Process) -> None:
    principal = await a_principal(process.ports)
    sender = await a_sender(process.ports, principal)

    accepted = await process.services.acceptor.submit(a_draft(sender, a_phone()))

    assert (accepted.status, accepted.error_code) == ("refused", 21610)


async def test_a_stop_holds_as_soon_as_it_is_acknowledged(process: Process) -> None:
    ports, services = process.ports, process.services
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal), a_phone()
    await a_grant(ports, principal, phone)
    assert (await services.acceptor.submit(a_draft(sender, phone))).status == "queued"

    await simulate.act(ports, services.receiver, principal, sender.sid, phone, "text", "Stop.")

    assert (await services.acceptor.submit(a_draft(sender, phone))).error_code == 21610
