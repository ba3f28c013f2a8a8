"""The tasks that a worker has under way: started, counted, waited for at the end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any


class InFlight:
    """Tasks with a limit; one that fails is logged, never lost."""

    def __init__(self, name: str, log: logging.Logger, most: int) -> None:
        self._name = name
        self._log = log
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def room(self) -> int:
        """Give how many more may be started; waits while there is none."""
        while len(self._tasks) >= self._most:
            self._freed.clear()
            await self._freed.wait()
        return self._most - len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start one."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def drain(self, grace_s: float) -> None:
        """Wait for all of them within the grace, then cut the rest off."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("%s.task_failed", self._name, exc_info=error)
