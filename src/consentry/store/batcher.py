"""Adaptive group commit: what arrives while a batch is at the database is the next batch. No timer, no delay when idle."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from consentry.kernel.errors import Overloaded, Unavailable

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Batcher(Generic[_In, _Out]):
    """Collects single items into batches and hands each caller its own result.

    `work` gets a batch and gives one result (or an exception, as a value) for each item, in order; when it raises, the batch is split in halves
    and tried again, so that one bad item fails alone. Raising Unavailable is not split: nothing is wrong with the items.
    """

    def __init__(
        self,
        work: Callable[[Sequence[_In]], Awaitable[Sequence[_Out | Exception]]],
        *,
        in_flight: int = 2,
        most: int = 256,
        waiting: int = 20_000,
        splits: Callable[[Exception], bool] = lambda _: True,
    ) -> None:
        self._work = work
        self._free = in_flight
        self._most = most
        self._room = waiting
        self._splits = splits
        self._waiting: deque[tuple[_In, asyncio.Future[_Out]]] = deque()
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, item: _In) -> "asyncio.Future[_Out]":
        """Queue one item; the future gives its result once the batch that holds it is committed. Errors: Overloaded."""
        if len(self._waiting) >= self._room:
            raise Overloaded("too many requests wait for the database; try again")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Out] = loop.create_future()
        self._waiting.append((item, future))
        if not self._scheduled and self._free:
            # One turn of the loop later, so that all requests parsed in this turn share a statement.
            self._scheduled = True
            loop.call_soon(self._start)
        return future

    async def drain(self) -> None:
        """Wait until nothing is queued or under way."""
        while self._waiting or self._tasks:
            self._start()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self) -> None:
        self._scheduled = False
        while self._waiting and self._free:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._free += 1
        self._start()

    async def _run(self, batch: "list[tuple[_In, asyncio.Future[_Out]]]") -> None:
        try:
            results = await self._work([item for item, _ in batch])
        except asyncio.CancelledError:
            # Nobody knows whether it was committed; nobody may be left waiting for it either.
            _fail(batch, Unavailable("the batch was cut off"))
            raise
        except Exception as error:
            await self._failed(batch, error)
            return
        if len(results) != len(batch):  # it may be committed: trying its halves again could do it twice
            _fail(batch, LookupError("a batch was answered in part"))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _failed(self, batch: "list[tuple[_In, asyncio.Future[_Out]]]", error: Exception) -> None:
        if len(batch) > 1 and self._splits(error):
            middle = len(batch) // 2
            await self._run(batch[:middle])
            await self._run(batch[middle:])
            return
        _fail(batch, error)


def _fail(batch: "list[tuple[_In, asyncio.Future[_Out]]]", error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
