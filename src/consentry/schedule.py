"""What runs by the clock. APScheduler only wakes; a tick row that is unique in the database decides who runs (I14)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from consentry import logs
from consentry.kernel.errors import Unavailable
from consentry.store.database import Database
from consentry.store.rows import TickRow

_log = logs.get("schedule")


class Job(msgspec.Struct, frozen=True):
    """One job, every so many seconds of the UTC clock."""

    name: str
    every_s: int
    run: Callable[[], Awaitable[object]]


_GRACE: Final = 60


class Schedule:
    """Fires jobs of one process; over all processes each tick runs at most once."""

    def __init__(self, database: Database, jobs: tuple[Job, ...]) -> None:
        self._database = database
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": _GRACE}
        )
        for job in jobs:
            self._scheduler.add_job(
                self._fire, IntervalTrigger(seconds=job.every_s, timezone=UTC), args=(job,), id=job.name
            )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def stop(self) -> None:
        """End; a job under way is not waited for, every one may be cut off."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _fire(self, job: Job) -> None:
        try:
            if await self._mine(job, tick_of(datetime.now(UTC), job.every_s)):
                await job.run()
        except Unavailable as error:
            _log.warning("schedule.database_unavailable", extra={"job": job.name, "why": error.text})
        except Exception:
            _log.exception("schedule.job_failed", extra={"job": job.name})

    async def _mine(self, job: Job, scheduled_for: datetime) -> bool:
        async with self._database.connection() as connection:
            row = await self._database.maybe(connection, "tick", TickRow, job.name, scheduled_for)
        return row is not None


def tick_of(now: datetime, every_s: int) -> datetime:
    """Give the tick that an instant belongs to: the same one in every process, whatever second it woke in."""
    since = int(now.timestamp())
    return datetime.fromtimestamp(since - since % every_s, UTC)
