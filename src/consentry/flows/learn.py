"""Learn from a refused hand-off: an opt-out or a block that the provider knows of becomes a record of ours."""

import hashlib

import msgspec

from consentry.flows.append import Fact, Heads
from consentry.flows.ports import Ports
from consentry.kernel.address import Channel, parse_recipient
from consentry.kernel.directory import Sender
from consentry.kernel.message import SIGNAL_OF_FAILURE, Outcome
from consentry.store.ledger import Evidence
from consentry.store.rows import ClaimedRow


async def learn(ports: Ports, sender: Sender, row: ClaimedRow, outcome: Outcome) -> None:
    """Record what a failure says about the address, once an attempt. Errors: Unavailable."""
    event = SIGNAL_OF_FAILURE.get(outcome.error_class) if outcome.error_class else None
    if event is None:
        return
    address = parse_recipient(row.to_address, channel=None if ":" in row.to_address else Channel(row.channel))
    key = ports.key(row.account_id, address)
    named = f"send\0{row.message_id.hex()}\0{row.attempt_no}"
    evidence = Evidence(msgspec.json.encode(outcome), "application/json")
    async with ports.database.transaction() as connection:
        heads = Heads(ports, connection, row.account_id)
        await heads.lock([address])
        if not await ports.ledger.first_delivery(connection, key, hashlib.sha256(named.encode()).digest()[:16]):
            return
        heads.append(
            Fact(
                address=address,
                event=event,
                purpose=outcome.signal_purpose,
                sender=sender.sid,
                origin=sender.sid,
                source="send_response",
                actor=f"provider:{sender.provider}",
                evidence=evidence,
                provider=sender.provider,
                provider_event_id=outcome.provider_message_id or "",
            )
        )
        await heads.write()
