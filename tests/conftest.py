"""One server a session, one migrated template, a clone of it for every test that asks; clocks and ids are handed in.

The server is the embedded one, or any that CONSENTRY_TEST_POSTGRES names (a superuser's URL, such as that of Debian's
PostgreSQL 15): then the same tests run there.
"""

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from consentry.app import Process
from consentry.embedded import EmbeddedServer
from consentry.flows.ports import Ports
from consentry.kernel.clock import SystemClock
from consentry.kernel.ids import Ids
from consentry.keyring import Keyring
from consentry.rules.compiled import Policy
from consentry.rules.policy import load
from consentry.settings import Settings, bundled
from consentry.store.answers import Answers
from consentry.store.callbacks import Callbacks
from consentry.store.database import Database
from consentry.store.directory import Directory
from consentry.store.ledger import Ledger
from consentry.store.messages import Messages
from consentry.store.migrate import migrate
from consentry.store.outbox import Outbox
from consentry.store.simulator import Phones

_ROLES = ("consentry_owner", "consentry_app", "consentry_reader")
_PASSWORD = "made-up-for-tests"
_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on which databases can be made."""

    admin_url: str

    def url(self, database: str, role: str | None = None) -> str:
        """Give the URL of a database, for the superuser or for a role."""
        parts = urlsplit(self.admin_url)
        netloc = parts.netloc
        if role is not None:
            netloc = f"{role}:{_PASSWORD}@{netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))


@dataclass(frozen=True)
class Clone:
    """A migrated database of its own."""

    server: Server
    name: str

    def url(self, role: str = "consentry_app") -> str:
        """Give its URL for a role."""
        return self.server.url(self.name, role)

    @property
    def admin_url(self) -> str:
        """Its URL for the superuser."""
        return self.server.url(self.name)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of this session."""
    given = os.environ.get("CONSENTRY_TEST_POSTGRES")
    if given:
        server = Server(given)
        asyncio.run(_make_roles(server))
        yield server
        return
    folder = tmp_path_factory.mktemp("postgres")
    embedded = EmbeddedServer.open(folder)
    password = json.loads((folder / "postgres.json").read_text())["postgres"]
    own = urlsplit(embedded.dsn("owner"))
    server = Server(urlunsplit(own._replace(netloc=f"postgres:{quote(password, safe='')}@", path="/postgres")))
    asyncio.run(_make_roles(server))
    yield server
    embedded.close()


@pytest.fixture(scope="session")
def template(postgres: Server) -> Iterator[str]:
    """A database with every migration, to be cloned."""
    name = f"consentry_template_{os.getpid()}"
    asyncio.run(_admin(postgres, f"create database {name} owner consentry_owner"))
    asyncio.run(migrate(postgres.url(name, "consentry_owner"), bundled("sql")))
    yield name
    asyncio.run(_admin(postgres, f"drop database {name} with (force)"))


@pytest.fixture
def clone(postgres: Server, template: str) -> Iterator[Clone]:
    """A database of its own for one test."""
    name = f"consentry_test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_admin(postgres, f"create database {name} template {template} owner consentry_owner"))
    yield Clone(postgres, name)
    asyncio.run(_admin(postgres, f"drop database {name} with (force)"))


@pytest.fixture
async def database(clone: Clone) -> AsyncIterator[Database]:
    """The clone, opened as the app role."""
    found = Database(clone.url(), bundled("sql"), size=10)
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def ports(database: Database) -> Ports:
    """The ports of a process on the clone, with short leases."""
    return await ports_on(database)


async def ports_on(database: Database, **changed: object) -> Ports:
    """Build ports on an open database."""
    keyring = Keyring(b"k" * 32)
    directory = Directory(database, keyring)
    await directory.open()
    given: dict[str, object] = {
        "database": database,
        "directory": directory,
        "ledger": Ledger(database),
        "outbox": Outbox(database),
        "messages": Messages(database),
        "callbacks": Callbacks(database),
        "phones": Phones(database),
        "answers": Answers(database),
        "keyring": keyring,
        "policy": Policy(load(bundled("policies"))),
        "ids": Ids(),
        "clock": SystemClock(),
        "base_url": "http://127.0.0.1:1",
        "lease_s": 1.0,
        "lease_margin_s": 0.2,
    }
    return Ports(**{**given, **changed})  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a process that may call servers on this machine."""
    return Settings(data_dir=tmp_path, allow_private_egress=True)


@pytest.fixture
async def process(ports: Ports, settings: Settings) -> AsyncIterator[Process]:
    """A whole process, worker included, on the clone."""
    running = Process(ports, settings)
    running.start()
    yield running
    await running.stop()


async def _admin(server: Server, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_roles(server: Server) -> None:
    connection = await asyncpg.connect(server.admin_url)
    try:
        # Roles belong to the whole server, and the tests of both cores may begin at once on one.
        await connection.execute("select pg_advisory_lock(1)")
        for role in _ROLES:
            if await connection.fetchval("select 1 from pg_roles where rolname = $1", role) is None:
                await connection.execute(f"create role {role}")
            await connection.execute(
                f"alter role {role} login nosuperuser nobypassrls nocreaterole password '{_PASSWORD}'"
            )
    finally:
        await connection.close()
