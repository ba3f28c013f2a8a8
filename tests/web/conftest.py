"""The whole HTTP surface in this process, on a database of its own, with a client that is one account."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.build import a_principal, a_sender

from consentry.app import Process
from consentry.flows.ports import Ports
from consentry.kernel.directory import Principal, Sender
from consentry.web.asgi import build


@dataclass(frozen=True)
class Api:
    """An account and its way in."""

    process: Process
    principal: Principal
    http: httpx.AsyncClient
    stranger: httpx.AsyncClient
    """Somebody without credentials."""

    @property
    def ports(self) -> Ports:
        """What the process works with."""
        return self.process.ports

    async def a_sender(self, **given: Any) -> Sender:
        """Install a sender."""
        return await a_sender(self.ports, self.principal, **given)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """Post JSON; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json=body, headers=named)

    async def events(self, address: str) -> list[str]:
        """Give the records of an address, oldest first."""
        answer = await self.http.get(f"/v1/consents/{address}")
        return [entry["event"] for entry in answer.json()["history"]]

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        async with self.ports.database.connection() as connection:
            return int(await connection.fetchval(f"select count(*) from {table}"))

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        """Read from the database."""
        async with self.ports.database.connection() as connection:
            return list(await connection.fetch(sql, *args))


@pytest.fixture
async def api(process: Process) -> AsyncIterator[Api]:
    """A fresh account on a running process."""
    principal = await a_principal(process.ports)
    async with opened(process, principal) as http, opened(process) as stranger:
        yield Api(process, principal, http, stranger)


def opened(process: Process, principal: Principal | None = None) -> httpx.AsyncClient:
    """Give a client of a process; errors of the application come as answers, not as exceptions."""
    auth = None if principal is None else (principal.account.sid, principal.account.auth_token)
    transport = httpx.ASGITransport(build(process.services), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=process.ports.base_url, auth=auth, timeout=30)
