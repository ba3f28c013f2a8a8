"""Play a person with a simulated phone: text, block, unblock, and read what arrived."""

from typing import Literal

import msgspec

from consentry.channels import simulator
from consentry.flows.line import Step
from consentry.flows.ports import Ports
from consentry.flows.receive import Receiver
from consentry.kernel.address import Address, Channel, InvalidAddress, parse_recipient
from consentry.kernel.calls import RawRequest
from consentry.kernel.directory import Principal, Sender
from consentry.kernel.errors import Invalid, NotFound
from consentry.kernel.ids import to_sid
from consentry.store.rows import PhoneMessageRow

Kind = Literal["text", "block", "unblock"]


def simulated(ports: Ports, principal: Principal) -> list[Sender]:
    """Give the simulator senders of an account. Errors: NotFound if it has none: then there is nothing to play with."""
    senders = ports.directory.senders_of(principal.account.account_id)
    found = [sender for sender in senders if sender.provider == simulator.Simulator.name]
    if not found:
        raise NotFound("the account has no simulator sender")
    return found


async def act(
    ports: Ports, receiver: Receiver, principal: Principal, sender_sid: str, from_: str, kind: Kind, text: str | None
) -> None:
    """Let a person act; when this returns the signal is acknowledged. Errors: NotFound, Invalid, those of `receive`."""
    sender = _sender(ports, principal, sender_sid)
    address = address_on(sender, from_)
    if kind == "text" and text is None:
        raise Invalid("a text needs its words", field="text")
    key = ports.key(sender.account_id, address)
    if kind != "text":
        async with ports.database.connection() as connection:
            before = await ports.phones.get(connection, key.lane, key.account_id, key.key, sender.sender_id)
            script = before.script if before is not None else b""
            await ports.phones.set(
                connection, key.lane, key.account_id, key.key, sender.sender_id, blocked=kind == "block", script=script
            )
    done = simulator.Act(to_sid("SA", ports.ids.new(key.lane)), kind, address.text, sender.address, text)
    body = msgspec.json.encode(done)
    secret = msgspec.json.decode(sender.configuration, type=simulator.Configuration).secret
    url = f"{ports.base_url}/webhooks/simulator/{sender.sid}"
    headers = (("content-type", "application/json"), ("x-simulator-signature", simulator.sign(secret, body)))
    await receiver.receive(simulator.Simulator.name, sender.sid, RawRequest("POST", url, headers, body))


async def script(ports: Ports, principal: Principal, sender_sid: str, phone: str, steps: tuple[Step, ...]) -> None:
    """Set how a phone answers each attempt of a message: the first step the first, and so on; after them all is well."""
    sender = _sender(ports, principal, sender_sid)
    key = ports.key(sender.account_id, address_on(sender, phone))
    async with ports.database.connection() as connection:
        before = await ports.phones.get(connection, key.lane, key.account_id, key.key, sender.sender_id)
        await ports.phones.set(
            connection,
            key.lane,
            key.account_id,
            key.key,
            sender.sender_id,
            blocked=before is not None and before.blocked,
            script=msgspec.json.encode(steps),
        )


async def phone(ports: Ports, principal: Principal, address: str) -> list[PhoneMessageRow]:
    """Give what a phone received, oldest first."""
    simulated(ports, principal)
    try:
        found = parse_recipient(address)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error
    key = ports.key(principal.account.account_id, found)
    async with ports.database.connection() as connection:
        return await ports.phones.messages(connection, key.account_id, key.key, _shown(found.channel))


def address_on(sender: Sender, text: str) -> Address:
    """Read a person's address on the channel of a sender. Errors: Invalid."""
    try:
        address = parse_recipient(text, channel=None if ":" in text else sender.channel)
    except InvalidAddress as error:
        raise Invalid(str(error), field="from") from error
    if address.channel is not sender.channel:
        raise Invalid(f"the address is on {address.channel}, the sender on {sender.channel}", field="from")
    return address


def _sender(ports: Ports, principal: Principal, sid: str) -> Sender:
    for sender in simulated(ports, principal):
        if sid in (sender.sid, sender.address):
            return sender
    raise NotFound("no such simulator sender")


def _shown(channel: Channel) -> list[str]:
    phones = (Channel.sms, Channel.mms)
    return [c.value for c in phones] if channel in phones else [channel.value]
