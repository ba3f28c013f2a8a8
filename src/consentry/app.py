"""Wiring: the one place where stores, flows, adapters, network, web and clock are put together."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from consentry import logs
from consentry.channels.registry import ADAPTERS
from consentry.embedded import EmbeddedServer
from consentry.flows.accept import Acceptor
from consentry.flows.attempt import Attempts
from consentry.flows.consents import Checker
from consentry.flows.dispatch import Dispatcher
from consentry.flows.line import Line
from consentry.flows.maintain import prune, rescue
from consentry.flows.notify import Notifier
from consentry.flows.ports import Ports
from consentry.flows.receive import Receiver
from consentry.flows.settle import Settler
from consentry.kernel.clock import SystemClock
from consentry.kernel.directory import Account
from consentry.kernel.errors import Invalid
from consentry.kernel.ids import Ids
from consentry.keyring import Keyring, load_master
from consentry.net.client import HttpClient
from consentry.rules.compiled import Policy
from consentry.rules.policy import load
from consentry.schedule import Job, Schedule
from consentry.settings import Settings, bundled
from consentry.store import safety
from consentry.store.answers import Answers
from consentry.store.callbacks import Callbacks
from consentry.store.database import Database
from consentry.store.directory import Directory
from consentry.store.ledger import Ledger
from consentry.store.messages import Messages
from consentry.store.migrate import migrate
from consentry.store.outbox import Outbox
from consentry.store.simulator import Phones
from consentry.web.auth import Authenticator
from consentry.web.services import Provider, Services
from consentry.worker import Loop

_log = logs.get("app")
_GRACE_S: Final = 20.0
_REFRESH_S: Final = 0.5
_WATCH_S: Final = 0.25
_DISPATCH_GAP_S: Final = 0.005


@dataclass(frozen=True)
class Storage:
    """A database that is ready: its address, and the embedded server if there is one."""

    database_url: str
    embedded: EmbeddedServer | None


async def prepare(settings: Settings) -> Storage:
    """Start or find the database and bring its schema up to date where this process may.

    Errors: ours, with the fix; EmbeddedServerError.
    """
    sql = bundled("sql")
    if settings.database_url is not None:
        if settings.owner_url is not None:
            await migrate(settings.owner_url, sql)
        return Storage(settings.database_url, None)
    embedded = await asyncio.to_thread(EmbeddedServer.open, settings.data_dir)
    await migrate(embedded.dsn("owner"), sql)
    return Storage(embedded.dsn("app"), embedded)


@asynccontextmanager
async def opened(settings: Settings, *, pool: int = 12) -> AsyncIterator[Ports]:
    """Lend the ports of a process: database checked and open, keys and directory loaded.

    Errors: UnsafeDatabase, Conflict, Invalid, Unavailable, PolicyInvalid, each with the fix.
    """
    storage = await prepare(settings)
    watch: asyncio.Task[None] | None = None
    database = Database(storage.database_url, bundled("sql"), size=pool)
    try:
        await database.open()
        await safety.check(database, bundled("sql"))
        master = load_master(settings.master_key, settings.data_dir / "master.key")
        keyring = Keyring(master)
        directory = Directory(database, keyring)
        await directory.open()
        policy = Policy(load(settings.policies_dir or bundled("policies")))
        if storage.embedded is not None:
            watch = asyncio.create_task(_watch(storage.embedded), name="consentry.embedded")
        yield Ports(
            database=database,
            directory=directory,
            ledger=Ledger(database),
            outbox=Outbox(database),
            messages=Messages(database),
            callbacks=Callbacks(database),
            phones=Phones(database),
            answers=Answers(database),
            keyring=keyring,
            policy=policy,
            ids=Ids(),
            clock=SystemClock(),
            base_url=settings.base_url,
            lease_s=settings.lease_s,
            lease_margin_s=settings.lease_margin_s,
        )
    finally:
        if watch is not None:
            watch.cancel()
        await database.close()
        if storage.embedded is not None:
            await asyncio.to_thread(storage.embedded.close)


class Process:
    """The flows and loops of one running process."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.draining = False
        self._loops: list[Loop] = []
        self.ports = replace(ports, wake=self._wake, draining=lambda: self.draining)
        self._http = HttpClient(allow_private=settings.allow_private_egress)
        self._acceptor = Acceptor(self.ports)
        receiver = Receiver(self.ports, self._acceptor, ADAPTERS)
        self.services = Services(
            ports=self.ports,
            acceptor=self._acceptor,
            receiver=receiver,
            checker=Checker(self.ports),
            authenticator=Authenticator(self.ports.directory, self.ports.keyring),
            providers={
                name: Provider(frozenset(str(c) for c in a.channels), a.configuration, a.precheck)
                for name, a in ADAPTERS.items()
            },
        )
        attempts = Attempts(self.ports, ADAPTERS, self._http, Line(self.ports))
        self.dispatcher = Dispatcher(self.ports, attempts, Settler(self.ports))
        self.notifier = Notifier(self.ports, self._acceptor, self._http)
        jobs = (
            Job("rescue", 2, lambda: rescue(self.ports)),
            Job("prune", 3600, lambda: prune(self.ports)),
        )
        self._schedule = Schedule(self.ports.database, jobs)
        self._role = settings.role

    def start(self) -> None:
        """Begin the loops of this role."""
        self._loops = [Loop("directory", self._refresh, poll_s=_REFRESH_S)]
        if self._role in {"all", "worker"}:
            self._loops += [
                Loop("dispatch", self.dispatcher.run_once, gap_s=_DISPATCH_GAP_S),
                Loop("notify", self.notifier.run_once),
            ]
            self._schedule.start()
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Drain: claim nothing more, finish what was handed off, deliver what is under way."""
        self.draining = True
        await self._acceptor.drain()
        if self._role in {"all", "worker"}:
            self._schedule.stop()
        await asyncio.gather(*(loop.stop() for loop in self._loops))
        await asyncio.gather(self.dispatcher.drain(_GRACE_S), self.notifier.drain(_GRACE_S))
        await self._http.close()

    def _wake(self) -> None:
        for loop in self._loops[1:]:
            loop.wake()

    async def _refresh(self) -> int:
        await self.ports.directory.refresh()
        return 0


async def first_account(ports: Ports, settings: Settings, base_url: str) -> Account:
    """Make the first account on first start, and write its credentials (mode 0600) for the person who started us."""
    accounts = ports.directory.accounts()
    account = accounts[0] if accounts else await create_account(ports, "First account")
    file = settings.data_dir / "credentials.json"
    content = {"account_sid": account.sid, "auth_token": account.auth_token, "base_url": base_url}
    await asyncio.to_thread(write_private, file, json.dumps(content, indent=2) + "\n")
    _log.info("credentials.written", extra={"file": str(file), "account": account.sid})
    return account


async def create_account(ports: Ports, friendly_name: str) -> Account:
    """Make an account with a fresh token."""
    if "\0" in friendly_name:
        raise Invalid("the name must not hold NUL", field="friendly_name")
    return await ports.directory.create_account(f"AC{secrets.token_hex(16)}", friendly_name, secrets.token_hex(16))


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by nobody else."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    fresh.replace(file)


async def _watch(embedded: EmbeddedServer) -> None:
    """Bring the embedded server back when it was killed."""
    while True:
        await asyncio.sleep(_WATCH_S)
        try:
            if not embedded.is_alive() and await asyncio.to_thread(embedded.ensure_running):
                _log.warning("embedded.restarted")
        except Exception:
            _log.exception("embedded.restart_failed")
