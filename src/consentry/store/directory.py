"""The directory: every account, key and sender in memory, reloaded when the database's one version number moves.

A look-up is a dictionary access. The copy is at most a second old (a revoked key stops within it); what decides a
hand-off is read from the database in the claim, not from here.
"""

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.directory import Account, ApiKey, Sender
from consentry.kernel.errors import Invalid, NotFound
from consentry.keyring import Keyring
from consentry.store.database import Connection, Database, unique_or
from consentry.store.rows import AccountRow, IdRow, InstallationRow, KeyRow, SenderRow, VersionRow


class _Copy(msgspec.Struct):
    version: int = 0
    accounts: dict[int, Account] = {}
    accounts_by_sid: dict[str, Account] = {}
    keys: dict[str, ApiKey] = {}
    senders: dict[int, Sender] = {}
    senders_by_sid: dict[str, Sender] = {}
    senders_by_address: dict[tuple[int, str, str], Sender] = {}
    sends_paused: bool = False


class Directory:
    """Look-ups, and the few writes that change the directory."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self._copy = _Copy()

    @property
    def version(self) -> int:
        """The version of the copy: what is derived from the directory is good while this stays."""
        return self._copy.version

    @property
    def sends_paused(self) -> bool:
        """Whether the kill switch is on."""
        return self._copy.sends_paused

    async def open(self) -> None:
        """Compare the master key with the database's, and load. Errors: Invalid if the key is another one."""
        async with self._database.connection() as connection:
            await self._database.run(connection, "installation_create", self._keyring.check)
            row = await self._database.one(connection, "installation_get", InstallationRow)
        if row.key_check != self._keyring.check:
            text = "the master key is not the one this database was made with; restore it, or set CONSENTRY_MASTER_KEY"
            raise Invalid(text, field="master_key")
        await self.refresh()

    async def refresh(self) -> None:
        """Reload if anything has changed."""
        async with self._database.connection() as connection:
            version = (await self._database.one(connection, "directory_version", VersionRow)).version
            if version == self._copy.version:
                return
            accounts = await self._database.rows(connection, "directory_accounts", AccountRow)
            keys = await self._database.rows(connection, "directory_keys", KeyRow)
            senders = await self._database.rows(connection, "directory_senders", SenderRow)
            installation = await self._database.one(connection, "installation_get", InstallationRow)
        self._copy = self._build(version, accounts, keys, senders, sends_paused=installation.sends_paused)

    def account(self, account_id: int) -> Account:
        """Give an account by its number."""
        return self._copy.accounts[account_id]

    def account_by_sid(self, sid: str) -> Account | None:
        """Give an account by its sid."""
        return self._copy.accounts_by_sid.get(sid)

    def accounts(self) -> list[Account]:
        """Give every account, oldest first."""
        return [self._copy.accounts[i] for i in sorted(self._copy.accounts)]

    def key(self, sid: str) -> ApiKey | None:
        """Give an API key by its sid."""
        return self._copy.keys.get(sid)

    def has_sender(self, sender_id: int) -> bool:
        """Tell whether the copy has a sender: a worker may meet a message before it has met its sender."""
        return sender_id in self._copy.senders

    def sender(self, sender_id: int) -> Sender:
        """Give a sender by its number. Errors: NotFound."""
        found = self._copy.senders.get(sender_id)
        if found is None:
            raise NotFound("the sender is gone")
        return found

    def sender_by_sid(self, sid: str) -> Sender | None:
        """Give a sender by its sid, of any account: the caller checks whose it is."""
        return self._copy.senders_by_sid.get(sid)

    def sender_by_address(self, account_id: int, channel: str, address: str) -> Sender | None:
        """Give the sender that an account has under a channel address."""
        return self._copy.senders_by_address.get((account_id, channel, address))

    def senders_of(self, account_id: int) -> list[Sender]:
        """Give the senders of an account, oldest first."""
        return sorted((s for s in self._copy.senders.values() if s.account_id == account_id), key=lambda s: s.sender_id)

    async def create_account(self, sid: str, friendly_name: str, auth_token: str) -> Account:
        """Make a tenant."""
        sealed = self._keyring.seal(f"account|{sid}|auth_token", auth_token.encode())
        async with self._database.connection() as connection:
            row = await self._database.one(connection, "account_create", IdRow, sid, friendly_name, sealed)
        await self.refresh()
        return self.account(row.id)

    async def create_key(self, sid: str, account_id: int, friendly_name: str, secret: str, scopes: list[str]) -> None:
        """Make an API key; the secret itself is not kept."""
        hashed = self._keyring.hash_token(secret)
        async with self._database.connection() as connection:
            await self._database.run(connection, "key_create", sid, account_id, friendly_name, hashed, scopes)
        await self.refresh()

    async def create_sender(self, sender: Sender) -> Sender:
        """Install a sender. Errors: Conflict if the account has one with this address on this channel."""
        async with (
            unique_or(f"the account has a sender {sender.address} on {sender.channel} already", field="address"),
            self._database.connection() as connection,
        ):
            row = await self._database.one(
                connection,
                "sender_create",
                IdRow,
                sender.sid,
                sender.account_id,
                str(sender.channel),
                sender.provider,
                sender.address,
                sender.friendly_name,
                self._seal(sender),
                *_changeable(sender),
                sender.rate_per_s,
                sender.max_in_flight,
                sender.paused,
            )
        await self.refresh()
        return self.sender(row.id)

    async def update_sender(self, sender: Sender) -> Sender:
        """Write the changeable part of a sender. Errors: NotFound."""
        async with self._database.connection() as connection:
            row = await self._database.maybe(
                connection,
                "sender_update",
                IdRow,
                sender.sender_id,
                sender.account_id,
                sender.friendly_name,
                self._seal(sender),
                *_changeable(sender),
                sender.rate_per_s,
                sender.max_in_flight,
                sender.paused,
            )
        if row is None:
            raise NotFound("no such sender")
        await self.refresh()
        return self.sender(row.id)

    async def restrict_sender(self, connection: Connection, sender: Sender, *, restricted: bool) -> None:
        """Note in a flow's transaction that the platform limits a sender, or has freed it."""
        await self._database.run(connection, "sender_restrict", sender.sender_id, sender.account_id, restricted)

    async def pause_all(self, *, paused: bool) -> None:
        """Throw the kill switch."""
        async with self._database.connection() as connection:
            await self._database.run(connection, "installation_pause", paused)
        await self.refresh()

    def _seal(self, sender: Sender) -> bytes:
        return self._keyring.seal(f"sender|{sender.sid}|configuration", sender.configuration)

    def _build(
        self,
        version: int,
        accounts: list[AccountRow],
        keys: list[KeyRow],
        senders: list[SenderRow],
        *,
        sends_paused: bool,
    ) -> _Copy:
        copy = _Copy(version=version, sends_paused=sends_paused)
        copy.accounts = {row.account_id: self._account(row) for row in accounts}
        copy.accounts_by_sid = {account.sid: account for account in copy.accounts.values()}
        copy.keys = {row.sid: ApiKey(row.sid, row.account_id, row.secret_hash, frozenset(row.scopes)) for row in keys}
        copy.senders = {row.sender_id: self._sender(row, copy.accounts[row.account_id].sid) for row in senders}
        copy.senders_by_sid = {sender.sid: sender for sender in copy.senders.values()}
        copy.senders_by_address = {(s.account_id, str(s.channel), s.address): s for s in copy.senders.values()}
        return copy

    def _account(self, row: AccountRow) -> Account:
        token = self._keyring.open(f"account|{row.sid}|auth_token", row.auth_token_sealed).decode()
        return Account(row.account_id, row.sid, row.friendly_name, token, row.status, row.created_at)

    def _sender(self, row: SenderRow, account_sid: str) -> Sender:
        configuration = self._keyring.open(f"sender|{row.sid}|configuration", row.configuration_sealed)
        fields = {name: getattr(row, name) for name in row.__struct_fields__ if name != "configuration_sealed"}
        return Sender(
            **{**fields, "channel": Channel(row.channel), "account_sid": account_sid, "configuration": configuration}
        )


def _changeable(sender: Sender) -> tuple[str | None, ...]:
    return (
        sender.callback_url,
        sender.callback_method,
        sender.fallback_url,
        sender.fallback_method,
        sender.status_callback_url,
        sender.status_callback_method,
    )
