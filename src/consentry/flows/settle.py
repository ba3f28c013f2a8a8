"""Write down what became of hand-offs, many in one commit, with the callbacks that tell of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from consentry import meters
from consentry.flows import announce
from consentry.flows.attempt import Ending
from consentry.flows.learn import learn
from consentry.flows.ports import Ports
from consentry.kernel.errors import NotFound, Unavailable
from consentry.kernel.message import State
from consentry.store.batcher import Batcher
from consentry.store.callbacks import NewCallback
from consentry.store.outbox import Settled
from consentry.store.rows import ClaimedRow

_RETRY_S: Final = 0.5
_TRIES: Final = 120
_TOLD: Final = {
    State.SENT: (State.SENT,),
    State.DELIVERED: (State.SENT, State.DELIVERED),
    State.FAILED: (State.FAILED,),
    State.UNDELIVERED: (State.UNDELIVERED,),
}
"""The states that a callback tells of; what waits or is unknown is not told."""


class Settler:
    """Settles hand-offs of this process."""

    def __init__(self, ports: Ports, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._ports = ports
        self._sleep = sleep
        self._batcher: Batcher[tuple[ClaimedRow, Settled], None] = Batcher(
            self._write, in_flight=1, splits=lambda error: not isinstance(error, Unavailable)
        )

    async def settle(self, row: ClaimedRow, ending: Ending) -> None:
        """Write an ending, through an outage of the database if need be; after a minute the rescuer says unknown.

        What the provider said of the address is recorded first, so that a crash between the two loses neither.
        """
        for _ in range(_TRIES):
            try:
                if ending.outcome is not None:
                    await learn(self._ports, self._ports.directory.sender(row.sender_id), row, ending.outcome)
                await self._batcher.submit((row, ending.settled))
            except Unavailable:
                await self._sleep(_RETRY_S)
            else:
                return

    async def drain(self) -> None:
        """Wait until everything submitted is committed."""
        await self._batcher.drain()

    async def _write(self, batch: Sequence[tuple[ClaimedRow, Settled]]) -> Sequence[Exception | None]:
        for (channel, state), number in Counter((row.channel, settled.state) for row, settled in batch).items():
            meters.HANDOFFS.labels(channel, state).inc(number)
        if not any(self._told_to(row) for row, _ in batch):
            async with self._ports.database.connection() as connection:
                await self._ports.outbox.settle(connection, [settled for _, settled in batch])
            return [None] * len(batch)
        by_id = {row.message_id: (row, settled) for row, settled in batch}
        async with self._ports.database.transaction() as connection:
            moved = await self._ports.outbox.settle(connection, [settled for _, settled in batch])
            callbacks: list[NewCallback] = []
            for done in moved:
                row, settled = by_id[done.message_id]
                for state in _TOLD.get(State(done.status), ()):
                    callbacks += callback(self._ports, row, state, settled.error_code, settled.error_message)
            await self._ports.callbacks.enqueue(connection, callbacks)
        self._ports.wake()
        return [None] * len(batch)

    def _told_to(self, row: ClaimedRow) -> str | None:
        try:
            return row.status_callback or self._ports.directory.sender(row.sender_id).status_callback_url
        except NotFound:
            return None


def callback(ports: Ports, row: ClaimedRow, state: State, code: int | None, text: str | None) -> list[NewCallback]:
    """Give the status callback of a claimed message, if anyone wants it."""
    event = announce.Event(
        message_id=row.message_id,
        state=state,
        from_address=row.from_address,
        to_address=row.to_address,
        has_media=row.media is not None,
        status_callback=row.status_callback,
        error_code=code,
        error_message=text,
    )
    found = announce.status(ports, ports.directory.sender(row.sender_id), event)
    return [] if found is None else [found]
