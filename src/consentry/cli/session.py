"""One command's visit to the service: open it, do one piece of work, close it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from consentry.app import opened
from consentry.flows.ports import Ports
from consentry.kernel.directory import Account, Principal, Scope
from consentry.kernel.errors import Invalid
from consentry.settings import Settings

_Result = TypeVar("_Result")
_CONNECTIONS = 3


def visit(settings: Settings, work: Callable[[Ports], Awaitable[_Result]]) -> _Result:
    """Do one piece of work on the ports; a gateway that runs on the same data is not disturbed.

    Errors: as `app.opened`, and those of the work.
    """

    async def run() -> _Result:
        make_folder(settings)
        async with opened(settings, pool=_CONNECTIONS) as ports:
            return await work(ports)

    return asyncio.run(run())


def make_folder(settings: Settings) -> None:
    """Make the folder of data for the master key where the database is elsewhere; the embedded server makes its own."""
    if settings.database_url is not None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def account_named(ports: Ports, sid: str | None) -> Account:
    """Give the account with this sid, or the only one there is. Errors: Invalid says what to give."""
    accounts = ports.directory.accounts()
    if sid is not None:
        found = ports.directory.account_by_sid(sid)
        if found is None:
            raise Invalid(f"there is no account {sid[:34]!r}; `consentry account list` shows them", field="account")
        return found
    if not accounts:
        raise Invalid("there is no account yet; make one with: consentry account create NAME", field="account")
    if len(accounts) > 1:
        raise Invalid(f"there are {len(accounts)} accounts; say which with --account AC…", field="account")
    return accounts[0]


def operator(account: Account) -> Principal:
    """Give the person at the command line as one who may do everything in an account: who reads its database may."""
    return Principal(account, "cli", frozenset(str(scope) for scope in Scope))
