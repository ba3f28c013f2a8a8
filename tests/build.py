"""Makes accounts, senders, grants and messages for tests: everything has a default, a test names only what matters."""

import itertools
import secrets
from typing import Any

from consentry.app import create_account
from consentry.channels.registry import ADAPTERS
from consentry.flows import senders
from consentry.flows.accept import Draft
from consentry.flows.consents import Ask, Kept, record
from consentry.flows.ports import Ports
from consentry.flows.senders import SenderChange
from consentry.kernel.address import Address, Channel, parse_recipient, parse_sender
from consentry.kernel.directory import Principal, Scope, Sender

_numbers = itertools.count(1000)


def a_phone() -> str:
    """A fresh North American number."""
    return f"+1415555{next(_numbers):04d}"


async def a_principal(ports: Ports) -> Principal:
    """A fresh account, and one who may do everything in it."""
    account = await create_account(ports, "Test")
    return Principal(account, account.sid, frozenset(str(scope) for scope in Scope))


async def a_sender(
    ports: Ports,
    principal: Principal,
    *,
    channel: Channel = Channel.sms,
    provider: str = "simulator",
    address: str | None = None,
    configuration: dict[str, Any] | None = None,
    **changes: Any,
) -> Sender:
    """A sender; by default a simulated phone line."""
    text = address or f"+1500555{next(_numbers):04d}"
    change = SenderChange(configuration=configuration or {}, **changes)
    adapter = ADAPTERS[provider]
    return await senders.install(
        ports, principal, provider, parse_sender(text, channel=channel), adapter.configuration, change
    )


async def a_grant(
    ports: Ports, principal: Principal, address: str, *, purpose: str = "marketing", sender: str = "all", **more: Any
) -> Kept:
    """An explicit opt-in with evidence."""
    given: dict[str, Any] = {
        "source": "web_form",
        "evidence": {"words": "I agree", "token": secrets.token_hex(4)},
        **more,
    }
    return await record(ports, principal, Ask(address, "grant.explicit", purpose, sender, **given))


def a_draft(sender: Sender, to: str, *, body: str = "Hello", purpose: str = "marketing", **more: Any) -> Draft:
    """A message that asks to go."""
    bare = None if ":" in to else sender.channel
    address: Address = parse_recipient(to, channel=bare)
    return Draft(sender=sender, to=address, body=body, purpose=purpose, **more)
