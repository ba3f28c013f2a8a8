"""The loops of a worker: run a step, again at once while there is work, else wait for a nudge or the next poll."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from consentry import logs
from consentry.kernel.errors import Unavailable

_log = logs.get("worker")
_POLL_S: Final = 0.1
_OUTAGE_S: Final = 0.5

Step = Callable[[], Awaitable[int]]


class Loop:
    """Runs one step for ever; an outage of the database is waited out, an error is logged and does not end the loop.

    With `gap_s`, steps begin at least that far apart: under load each takes a batch in place of one item a time.
    """

    def __init__(self, name: str, step: Step, *, poll_s: float = _POLL_S, gap_s: float = 0.0) -> None:
        self._name = name
        self._step = step
        self._poll_s = poll_s
        self._gap_s = gap_s
        self._nudge = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"consentry.{self._name}")

    def wake(self) -> None:
        """Look for work now."""
        self._nudge.set()

    async def stop(self) -> None:
        """Let the step under way finish, and begin no other."""
        self._stopping = True
        self._nudge.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping:
            begun = asyncio.get_running_loop().time()
            self._nudge.clear()
            found, pause = 0, self._poll_s
            try:
                found = await self._step()
            except Unavailable as error:
                _log.warning("worker.database_unavailable", extra={"loop": self._name, "why": error.text})
                pause = _OUTAGE_S
            except Exception:
                _log.exception("worker.step_failed", extra={"loop": self._name})
                pause = _OUTAGE_S
            if not found:
                await self._rest(pause)
            if self._gap_s and not self._stopping:
                await asyncio.sleep(max(0.0, begun + self._gap_s - asyncio.get_running_loop().time()))

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._nudge.wait()
        except TimeoutError:
            pass
