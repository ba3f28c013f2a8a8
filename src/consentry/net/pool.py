"""Keeps connections per origin: newest idle first, a limit on open ones, and a fair queue behind the limit.

A slot is the right to have one connection open. It is held by an idle connection, by a sender, or by a dial under
way, and it is given up in exactly one place (`_free`), which passes it to the first in the queue if there is one.
So there are never idle connections and waiting senders at the same time.
"""

import asyncio
from collections import deque
from typing import TypeAlias

from consentry.net.connection import Connection
from consentry.net.dial import Dialer
from consentry.net.failures import ClientClosed, ConnectTimeout, NetError
from consentry.net.target import Origin

# What a waiting sender is given: a connection, or (None) the slot to make one with.
_Turn: TypeAlias = asyncio.Future[Connection | None]


class _Lane:
    """The connections of one origin."""

    __slots__ = ("idle", "open", "waiters")

    def __init__(self) -> None:
        self.idle: list[Connection] = []
        self.open = 0
        self.waiters: deque[_Turn] = deque()


class Pool:
    """Hands out connections, each to one owner, who gives it back with `release` or gets rid of it with `discard`."""

    def __init__(self, dialer: Dialer, *, limit: int, idle_s: float) -> None:
        self._dialer = dialer
        self._limit = limit
        self._idle_s = idle_s
        self._lanes: dict[Origin, _Lane] = {}
        self._origins: dict[Connection, Origin] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied = asyncio.Event()

    def take(self, origin: Origin, now: float) -> Connection | None:
        """Give an idle connection that is still good, without waiting. This is the hot path."""
        lane = self._lanes.get(origin)
        while lane is not None and lane.idle:
            connection = lane.idle.pop()
            if now - connection.idle_since < self._idle_s and connection.is_fresh():
                return connection
            connection.abort()
            self._free(origin, lane)
        return None

    async def acquire(self, origin: Origin, until: float, late: tuple[float, NetError] | None) -> Connection:
        """Give a connection by waiting for one or making one.

        Args:
            origin: What the connection is for.
            until: When to give up, in the time of the loop.
            late: When waiting in the queue has no point any more, and what to raise then.
        """
        self._refuse_if_closed(None)
        lane = self._lanes.setdefault(origin, _Lane())
        if lane.open < self._limit:
            lane.open += 1
        else:
            connection = await self._queue(origin, lane, until, late)
            if connection is not None and connection.is_fresh():
                return connection
            if connection is not None:
                connection.abort()
        try:
            connection = await self._dialer.dial(origin, until, self._lost)
            self._refuse_if_closed(connection)
        except BaseException:
            self._free(origin, lane)
            raise
        self._origins[connection] = origin
        return connection

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back, for the first in the queue or for later."""
        if self._closed or not connection.may_return():
            self.discard(origin, connection)
            return
        lane = self._lanes[origin]
        if lane.waiters and self._give_turn(lane, connection):
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        lane.idle.append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_s, self._sweep)

    def discard(self, origin: Origin, connection: Connection) -> None:
        """Close a connection that is not idle and give up its slot."""
        connection.abort()
        self._free(origin, self._lanes[origin])

    async def close(self) -> None:
        """Close every connection, send every waiter away, and return when the sockets are gone."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for lane in self._lanes.values():
            for turn in lane.waiters:
                if not turn.done():
                    turn.set_exception(ClientClosed("the client is closed"))
        for connection in list(self._origins):
            connection.abort()
        while self._origins:
            self._emptied.clear()
            await self._emptied.wait()

    # --- inside --------------------------------------------------------------------------------------------------

    def _refuse_if_closed(self, made: Connection | None) -> None:
        if self._closed:
            if made is not None:
                made.abort()
            raise ClientClosed("the client is closed")

    async def _queue(
        self, origin: Origin, lane: _Lane, until: float, late: tuple[float, NetError] | None
    ) -> Connection | None:
        loop = asyncio.get_running_loop()
        turn: _Turn = loop.create_future()
        timeout = until, ConnectTimeout(f"no free connection to {origin} in time")
        at, error = late if late is not None and late[0] <= until else timeout
        timer = loop.call_at(at, lambda: None if turn.done() else turn.set_exception(error))
        lane.waiters.append(turn)
        try:
            return await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # Cancelled in the same moment as it was our turn: the next one must not wait for what we drop.
                self._pass_on(origin, lane, turn.result())
            elif turn in lane.waiters:
                lane.waiters.remove(turn)
            raise
        finally:
            timer.cancel()

    def _pass_on(self, origin: Origin, lane: _Lane, given: Connection | None) -> None:
        if given is None:
            self._free(origin, lane)
        else:
            self.release(origin, given)

    def _give_turn(self, lane: _Lane, given: Connection | None) -> bool:
        while lane.waiters:
            turn = lane.waiters.popleft()
            if not turn.done():
                turn.set_result(given)
                return True
        return False

    def _free(self, origin: Origin, lane: _Lane) -> None:
        if self._give_turn(lane, None):
            return
        lane.open -= 1
        if not lane.open:
            self._lanes.pop(origin, None)

    def _lost(self, connection: Connection) -> None:
        # An owner learns of a loss from its reply; only an idle connection has nobody but the pool to free its slot.
        origin = self._origins.pop(connection, None)
        lane = self._lanes.get(origin) if origin is not None else None
        if origin is not None and lane is not None and connection in lane.idle:
            lane.idle.remove(connection)
            self._free(origin, lane)
        if not self._origins:
            self._emptied.set()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeper = None
        limit = loop.time() - self._idle_s
        for origin, lane in list(self._lanes.items()):
            for connection in [one for one in lane.idle if one.idle_since <= limit]:
                lane.idle.remove(connection)
                connection.abort()
                self._free(origin, lane)
        if any(lane.idle for lane in self._lanes.values()):
            self._sweeper = loop.call_later(self._idle_s, self._sweep)
