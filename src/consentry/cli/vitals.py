"""What `consentry doctor` asks the database: is it safe, is it ours, is it up to date, and what waits in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from consentry.cli.finding import Finding, failed
from consentry.cli.migrate import schema_missing
from consentry.embedded import EmbeddedServer
from consentry.keyring import Keyring, load_master
from consentry.settings import Settings, bundled
from consentry.store import safety
from consentry.store.database import Connection, Database
from consentry.store.outbox import Outbox
from consentry.store.rows import ClockRow, CountRow, InstallationRow, RoleRow, SettingRow

_NEWEST_TRIED: Final = 18
_SKEW_S: Final = 2.0
_OLD_S: Final = 60.0


class Vitals:
    """The checks, on one open connection."""

    def __init__(self, settings: Settings, database: Database, connection: Connection) -> None:
        self._settings = settings
        self._database = database
        self._connection = connection

    async def examine(self) -> list[Finding]:
        """Make the checks; those that need the tables come last, and only if the tables are there."""
        found = [
            await self._made("server", self._server),
            await self._made("clock", self._clock),
            await self._made("schema", self._schema),
        ]
        if found[-1].status == "fail":
            return found
        checks: tuple[tuple[str, Callable[[], Awaitable[Finding]]], ...] = (
            ("role", self._role),
            ("key of the data", self._key),
            ("sending", self._sending),
            ("outbox", self._outbox),
            ("callbacks", self._callbacks),
            ("quarantine", self._quarantine),
        )
        return found + [await self._made(name, check) for name, check in checks]

    async def _made(self, name: str, check: Callable[[], Awaitable[Finding]]) -> Finding:
        try:
            return await check()
        except Exception as error:
            return failed(name, error)

    async def _server(self) -> Finding:
        rows = await self._database.rows(self._connection, "server_settings", SettingRow)
        settings = {row.name: row.setting for row in rows}
        safety.refuse_settings(settings)
        number = int(settings["server_version_num"])
        shown = f"PostgreSQL {number // 10_000}.{number % 10_000}; fsync, full_page_writes, synchronous_commit are on"
        if number // 10_000 > _NEWEST_TRIED:
            return Finding("server", "warn", shown, "newer than what Consentry is tried with; 15 to 18 are")
        return Finding("server", "ok", shown)

    async def _clock(self) -> Finding:
        before = datetime.now(UTC)
        row = await self._database.one(self._connection, "clock", ClockRow)
        after = datetime.now(UTC)
        skew = abs((row.now - (before + (after - before) / 2)).total_seconds())
        if skew < _SKEW_S:
            return Finding("clock", "ok", f"{skew:.3f} s from the clock of the database, which decides")
        return Finding("clock", "fail", f"{skew:.1f} s from the clock of the database", "let NTP set both clocks")

    async def _schema(self) -> Finding:
        missing = await schema_missing(self._database, self._connection, bundled("sql"))
        if missing:
            return Finding("schema", "fail", f"lacks {', '.join(missing)}", "consentry migrate")
        return Finding("schema", "ok", "up to date")

    async def _role(self) -> Finding:
        role = await self._database.one(self._connection, "role_check", RoleRow)
        safety.refuse_role(role)
        return Finding("role", "ok", f"{role.role} can add to the ledger and change nothing in it")

    async def _key(self) -> Finding:
        row = await self._database.maybe(self._connection, "installation_get", InstallationRow)
        file = self._settings.data_dir / "master.key"
        if row is None:
            return Finding("key of the data", "ok", "none yet; the first start sets it")
        lost = self._settings.master_key is None and not file.exists()
        if lost or Keyring(load_master(self._settings.master_key, file)).check != row.key_check:
            what = "there is no master key" if lost else "the master key is another one than the data were made with"
            return Finding("key of the data", "fail", what, f"restore {file}, or set CONSENTRY_MASTER_KEY")
        return Finding("key of the data", "ok", "the master key is the one the data were made with")

    async def _sending(self) -> Finding:
        row = await self._database.maybe(self._connection, "installation_get", InstallationRow)
        if row is not None and row.sends_paused:
            return Finding("sending", "warn", "switched off for everything", "consentry resume")
        return Finding("sending", "ok", "on")

    async def _outbox(self) -> Finding:
        depth = await Outbox(self._database).depth(self._connection)
        shown = f"{depth.n} messages wait, the oldest is {depth.oldest_s:.0f} s late"
        if depth.oldest_s < _OLD_S:
            return Finding("outbox", "ok", shown if depth.n else "empty")
        return Finding("outbox", "warn", shown, "run a worker (consentry serve), and look whether a sender is paused")

    async def _callbacks(self) -> Finding:
        dead = (await self._database.one(self._connection, "callback_dead_count", CountRow)).n
        fix = "mend the callback URLs of the senders: select url, last_status, last_error from callback where state = 'dead'"
        return Finding("callbacks", "warn" if dead else "ok", f"{dead} given up", fix if dead else "")

    async def _quarantine(self) -> Finding:
        kept = (await self._database.one(self._connection, "quarantine_count", CountRow)).n
        fix = "read them: select provider, error, body from quarantine where resolved_at is null"
        return Finding("quarantine", "warn" if kept else "ok", f"{kept} unreadable webhooks", fix if kept else "")


async def examine(settings: Settings, url: str) -> list[Finding]:
    """Connect and make every check. Errors: none, whatever goes wrong is a finding."""
    try:
        async with _connected(url) as (database, connection):
            return [Finding("database", "ok", "answers"), *await Vitals(settings, database, connection).examine()]
    except Exception as error:
        found = failed("database", error)
        return [Finding("database", "fail", found.detail, found.fix or "start it, or mend CONSENTRY_DATABASE_URL")]


def embedded(settings: Settings) -> EmbeddedServer | None:
    """Open the embedded server if there is one to open; a doctor does not make data. Errors: EmbeddedServerError."""
    return EmbeddedServer.open(settings.data_dir) if (settings.data_dir / "postgres").exists() else None


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[tuple[Database, Connection]]:
    database = Database(url, bundled("sql"), size=2)
    await database.open()
    try:
        async with database.connection() as connection:
            yield database, connection
    finally:
        await database.close()
