"""What flows work with, handed in once by the program: stores, policy, keys, clock, ids."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

from consentry.kernel.address import Address, address_key
from consentry.kernel.clock import Clock
from consentry.kernel.directory import Account, Sender
from consentry.kernel.ids import Ids
from consentry.keyring import Keyring
from consentry.rules.compiled import Policy
from consentry.rules.gate import SenderFacts
from consentry.store.answers import Answers
from consentry.store.callbacks import Callbacks
from consentry.store.database import Database
from consentry.store.directory import Directory
from consentry.store.ledger import AddressKey, Ledger
from consentry.store.messages import Messages
from consentry.store.outbox import Outbox
from consentry.store.simulator import Phones


@dataclass(frozen=True)
class Ports:
    """The stores and facts of one process."""

    database: Database
    directory: Directory
    ledger: Ledger
    outbox: Outbox
    messages: Messages
    callbacks: Callbacks
    phones: Phones
    answers: Answers
    keyring: Keyring
    policy: Policy
    ids: Ids
    clock: Clock
    base_url: str
    lease_s: float = 5.0
    lease_margin_s: float = 1.0
    wake: Callable[[], None] = lambda: None
    """Tells the workers of this process that something is due; others find out by polling."""
    draining: Callable[[], bool] = lambda: False
    _facts: dict[str, tuple[int, SenderFacts]] = field(default_factory=dict)

    @property
    def wait_s(self) -> float:
        """How long an opt-out may wait for leases: they end by themselves within one lease."""
        return self.lease_s + 2.0

    def key(self, account_id: int, address: Address) -> AddressKey:
        """Give where an address stands in an account's ledger."""
        key = address_key(self.keyring.address_secret, account_id, address.key_form)
        return AddressKey(key[0], account_id, key)

    def facts(self, sender: Sender) -> SenderFacts:
        """Give what the gate must know of a sender, as the directory has it."""
        version = self.directory.version
        kept = self._facts.get(sender.sid)
        if kept is not None and kept[0] == version:
            return kept[1]
        facts = SenderFacts(
            sid=sender.sid,
            channel=str(sender.channel),
            paused=sender.paused,
            restricted=sender.restricted,
            account_suspended=self.directory.account(sender.account_id).status != "active",
            sends_paused=self.directory.sends_paused,
        )
        self._facts[sender.sid] = (version, facts)
        return facts

    def account_of(self, sender: Sender) -> Account:
        """Give the account of a sender."""
        return self.directory.account(sender.account_id)


def day(instant: dt.datetime) -> dt.date:
    """Give the day on which rules are looked up: dates of rules are UTC."""
    return instant.date()
