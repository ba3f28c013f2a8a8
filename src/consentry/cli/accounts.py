"""`consentry account`: make tenants and their API keys, and list them. Secrets are shown once."""

import secrets
from collections.abc import Sequence
from datetime import UTC

import click
import msgspec

from consentry.app import create_account
from consentry.cli import output
from consentry.cli.session import account_named, visit
from consentry.flows.ports import Ports
from consentry.kernel.directory import Account, Scope
from consentry.kernel.errors import Invalid
from consentry.settings import Settings

_SECRET_BYTES = 32


class NewKey(msgspec.Struct, frozen=True):
    """A key as its owner must note it down."""

    account_sid: str
    sid: str
    secret: str
    scopes: list[str]


def create(settings: Settings, name: str, *, as_json: bool) -> None:
    """Make an account and show its credentials, once."""

    async def work(ports: Ports) -> Account:
        return await create_account(ports, name)

    made = visit(settings, work)
    if as_json:
        output.as_json({"account_sid": made.sid, "auth_token": made.auth_token, "friendly_name": made.friendly_name})
        return
    click.echo(f"account_sid  {made.sid}\nauth_token   {made.auth_token}")
    click.echo("Note the token down: it is not shown again. A running gateway takes it within a second.", err=True)


def create_key(settings: Settings, account_sid: str, name: str, scopes: Sequence[str], *, as_json: bool) -> None:
    """Make an API key of an account and show its secret, once. Errors: Invalid for an account that is not there."""
    wanted = sorted({str(Scope(scope)) for scope in scopes})
    if "\0" in name:
        raise Invalid("the name must not hold NUL", field="name")

    async def work(ports: Ports) -> NewKey:
        account = account_named(ports, account_sid)
        made = NewKey(account.sid, f"SK{secrets.token_hex(16)}", secrets.token_urlsafe(_SECRET_BYTES), wanted)
        await ports.directory.create_key(made.sid, account.account_id, name, made.secret, made.scopes)
        return made

    made = visit(settings, work)
    if as_json:
        output.as_json(made)
        return
    click.echo(f"account_sid  {made.account_sid}\nsid          {made.sid}\nsecret       {made.secret}")
    click.echo(f"scopes       {', '.join(made.scopes)}")
    click.echo("Note the secret down: only its hash is kept. User name and password are sid and secret.", err=True)


def list_all(settings: Settings, *, as_json: bool) -> None:
    """Show every account, oldest first."""

    async def work(ports: Ports) -> list[tuple[Account, int]]:
        found = ports.directory.accounts()
        return [(account, len(ports.directory.senders_of(account.account_id))) for account in found]

    found = visit(settings, work)
    if as_json:
        accounts = [
            {
                "account_sid": account.sid,
                "friendly_name": account.friendly_name,
                "status": account.status,
                "senders": senders,
                "created_at": account.created_at.astimezone(UTC),
            }
            for account, senders in found
        ]
        output.as_json({"accounts": accounts})
        return
    if not found:
        click.echo("No account yet; `consentry account create NAME` makes one.", err=True)
        return
    rows = output.table("ACCOUNT SID", "NAME", "STATUS", "SENDERS", "CREATED")
    for account, senders in found:
        created = account.created_at.astimezone(UTC).strftime("%Y-%m-%d")
        rows.add_row(account.sid, account.friendly_name, account.status, str(senders), created)
    output.console().print(rows)
