"""Upkeep: rescue what a dead worker left, prune what is no longer needed. Each is batched and says what it did."""

from typing import Final

from consentry import logs, meters
from consentry.flows.ports import Ports

_log = logs.get("maintain")
_BATCH: Final = 500
_WEEK_S: Final = 7 * 86_400.0
RESCUE_AFTER_S: Final = 8.0
"""How long after its lease an attempt counts as lost: longer than the longest wait for a provider's answer."""


async def rescue(ports: Ports, *, older_than_s: float = RESCUE_AFTER_S) -> int:
    """Turn attempts whose worker never came back into unknown ones; they are never sent again by themselves (I4)."""
    total = 0
    while True:
        async with ports.database.connection() as connection:
            rows = await ports.outbox.rescue(connection, older_than_s=older_than_s, limit=_BATCH)
        total += len(rows)
        if len(rows) < _BATCH:
            break
    if total:
        meters.UNKNOWN.inc(total)
        _log.warning("maintain.unknown", extra={"messages": total})
    return total


async def measure(ports: Ports) -> None:
    """Take the depth of the queue."""
    async with ports.database.connection() as connection:
        depth = await ports.outbox.depth(connection)
    meters.QUEUE.set(depth.n)
    meters.QUEUE_AGE.set(depth.oldest_s)


async def prune(ports: Ports) -> None:
    """Drop ticks after two days and idempotency keys after a week."""
    async with ports.database.connection() as connection:
        await ports.database.run(connection, "tick_prune")
        await ports.database.run(connection, "idempotency_prune", _WEEK_S)
