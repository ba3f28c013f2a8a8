"""A load generator that costs little: raw HTTP/1.1 on asyncio protocols, closed loop or open loop.

It shares the two cores with what it measures, so it parses no more of an answer than its status and its length.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

Make = Callable[[int], bytes]
"""Gives the bytes of the n-th request."""


@dataclass
class Result:
    """What a run measured: latencies in seconds by status, and how long it took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float) -> float:
        """Give a percentile of the latency in milliseconds."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Wire(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, done: Callable[["Wire", int, bytes], None]) -> None:
        self._done = done
        self._got = b""
        self.transport: asyncio.Transport | None = None
        self.began = 0.0
        self.tag: object = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def ask(self, request: bytes, began: float, tag: object = None) -> None:
        """Send one request."""
        assert self.transport is not None
        self.began, self.tag = began, tag
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect one answer."""
        self._got = self._got + data if self._got else data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._got.find(b"content-length: ", 0, end)
        length = int(self._got[at + 16 : self._got.find(b"\r", at)]) if at >= 0 else 0
        if len(self._got) >= end + 4 + length:
            status, body = int(self._got[9:12]), self._got[end + 4 : end + 4 + length]
            self._got = b""
            self._done(self, status, body)


async def connect(host: str, port: int, count: int, done: Callable[[Wire, int, bytes], None]) -> list[Wire]:
    """Open connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Wire(done), host, port))[1] for _ in range(count)]


async def closed_loop(
    host: str, port: int, make: Make, *, connections: int, seconds: float, warm_s: float = 0.5
) -> Result:
    """Keep every connection busy for a while."""
    result, number = Result(), 0
    begun = time.perf_counter()
    measured_from, until = begun + warm_s, begun + warm_s + seconds
    finished = asyncio.get_running_loop().create_future()
    busy = connections

    def done(wire: Wire, status: int, _: bytes) -> None:
        nonlocal number, busy
        now = time.perf_counter()
        if measured_from <= wire.began and now <= until:
            result.latencies.append(now - wire.began)
            result.statuses[status] = result.statuses.get(status, 0) + 1
        if now < until:
            wire.ask(make(number), now)
            number += 1
            return
        busy -= 1
        if not busy:
            finished.set_result(None)

    wires = await connect(host, port, connections, done)
    for wire in wires:
        wire.ask(make(number), time.perf_counter())
        number += 1
    await finished
    result.seconds = seconds
    _close(wires)
    return result


async def open_loop(
    host: str,
    port: int,
    make: Make,
    *,
    rate: float,
    seconds: float,
    connections: int = 256,
    seed: int = 1,
    answered: Callable[[int, int, float], None] = lambda *_: None,
) -> Result:
    """Offer requests at random instants (Poisson); latency counts from the instant at which each was due.

    `answered` gets the number of a request, its status, and when its answer came.
    """
    result, chance = Result(), random.Random(seed)
    waiting: deque[tuple[int, float]] = deque()
    idle: list[Wire] = []
    open_requests = 0
    quiet = asyncio.Event()

    def done(wire: Wire, status: int, _: bytes) -> None:
        nonlocal open_requests
        now = time.perf_counter()
        result.latencies.append(now - wire.began)
        result.statuses[status] = result.statuses.get(status, 0) + 1
        assert isinstance(wire.tag, int)
        answered(wire.tag, status, now)
        open_requests -= 1
        if waiting:
            number, due = waiting.popleft()
            wire.ask(make(number), due, number)
        else:
            idle.append(wire)
        if not open_requests:
            quiet.set()

    wires = await connect(host, port, connections, done)
    idle.extend(wires)
    begun = time.perf_counter()
    due, number = begun, 0
    while due < begun + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        while due <= now:
            open_requests += 1
            if idle:
                idle.pop().ask(make(number), due, number)
            else:
                waiting.append((number, due))
            number += 1
            due += chance.expovariate(rate)
    quiet.clear()
    if open_requests:
        await asyncio.wait_for(quiet.wait(), 30)
    result.seconds = time.perf_counter() - begun
    _close(wires)
    return result


def _close(wires: list[Wire]) -> None:
    for wire in wires:
        if wire.transport is not None:
            wire.transport.close()
