"""Sending against stopping: two whole processes on one database, what is recorded of their race, and its judge.

The judge is a pure function of the trace. All its instants come from one system clock: `acks` are read when `act` has
returned, `openings` before a later opt-in is asked for, hand-offs from the simulated phones.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from tests.build import a_draft, a_grant, a_phone, a_principal, a_sender
from tests.conftest import Clone, ports_on

from consentry.app import Process
from consentry.flows import simulate
from consentry.kernel import failpoints
from consentry.kernel.consent import Category
from consentry.kernel.directory import Principal, Sender
from consentry.settings import Settings, bundled
from consentry.store.database import Database

_CONFIRMATION: Final = Category.REVOCATION_CONFIRMATION.value
_HAND_OFFS: Final = """
  select m.to_address, s.handed_off_at, m.purpose
  from simulator_message s join message m using (lane, message_id)
"""
_UNDER_WAY: Final = "select count(*) from message where status in ('queued', 'sending')"
_SLOW: Final = ("dispatch.claimed", "dispatch.decided", "dispatch.leased", "dispatch.before_first_byte")
_STOPPING: Final = ("append.locked", "append.written", "receive.before_commit", "append.committed")


class Said(NamedTuple):
    """Something about an address, and the instant of it."""

    address: str
    at: datetime


class HandOff(NamedTuple):
    """A message that began to leave."""

    address: str
    at: datetime
    purpose: str


@dataclass
class Trace:
    """What happened in a race."""

    acks: list[Said] = field(default_factory=list)
    openings: list[Said] = field(default_factory=list)
    hand_offs: list[HandOff] = field(default_factory=list)

    def broken(self) -> list[HandOff]:
        """Give what must not have happened."""
        return violations(self.acks, self.hand_offs, self.openings)


def violations(acks: Sequence[Said], hand_offs: Sequence[HandOff], openings: Sequence[Said] = ()) -> list[HandOff]:
    """Give every hand-off that began after an acknowledged STOP, unless an opt-in was asked for between the two.

    One confirmation for each STOP may leave, whenever it does; one too many is a violation too.
    """
    wrong: list[HandOff] = []
    confirmations = Counter({address: -count for address, count in Counter(ack.address for ack in acks).items()})
    for hand_off in sorted(hand_offs, key=lambda h: h.at):
        if hand_off.purpose == _CONFIRMATION:
            confirmations[hand_off.address] += 1
            if confirmations[hand_off.address] > 0:
                wrong.append(hand_off)
            continue
        stops = [ack.at for ack in acks if ack.address == hand_off.address and ack.at < hand_off.at]
        if stops and not any(o.address == hand_off.address and max(stops) < o.at <= hand_off.at for o in openings):
            wrong.append(hand_off)
    return wrong


class Hold:
    """A failpoint that stops the first one who reaches it until it is let go, or for `at_most_s`."""

    def __init__(self, at_most_s: float) -> None:
        self._at_most_s = at_most_s
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self) -> None:
        """Wait, if this is the first time."""
        if self.reached.is_set():
            return
        self.reached.set()
        try:
            async with asyncio.timeout(self._at_most_s):
                await self.let_go.wait()
        except TimeoutError:
            pass


async def eventually(done: Callable[[], Awaitable[bool]], *, within_s: float = 10.0) -> None:
    """Ask until it is so. Errors: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await done():  # noqa: ASYNC110 - what is asked of is a database, it tells nobody
            await asyncio.sleep(0.02)


@dataclass
class Arena:
    """Two processes, each with its own connections, and a principal with senders that both know."""

    one: Process
    two: Process
    principal: Principal
    senders: list[Sender]
    ending: AsyncExitStack
    trace: Trace = field(default_factory=Trace)

    def start(self, *processes: Process) -> None:
        """Begin the loops of processes; they end with the arena."""
        for process in processes:
            self.ending.push_async_callback(process.stop)
            self.ending.callback(failpoints.ACTIVE.clear)
            process.start()

    async def stop(self, phone: str, *, by: Process, sender: Sender) -> None:
        """Text STOP, and note when it was acknowledged."""
        await simulate.act(by.ports, by.services.receiver, self.principal, sender.sid, phone, "text", "STOP")
        self.trace.acks.append(Said(phone, by.ports.clock.now()))

    async def send(self, phone: str, *, by: Process, sender: Sender) -> bool:
        """Ask for a message; tell if it was accepted."""
        return not (await by.services.acceptor.submit(a_draft(sender, phone))).refused

    async def settled(self) -> Trace:
        """Wait until nothing is under way, and give what happened."""

        async def quiet() -> bool:
            async with self.one.ports.database.connection() as connection:
                return bool(await connection.fetchval(_UNDER_WAY) == 0)

        await eventually(quiet)
        async with self.one.ports.database.connection() as connection:
            self.trace.hand_offs = [HandOff(*row) for row in await connection.fetch(_HAND_OFFS)]
        return self.trace


@asynccontextmanager
async def arena(clone: Clone, folder: Path, *, senders: int = 1) -> AsyncIterator[Arena]:
    """Lend an arena; its loops are not started."""
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(2):
            database = Database(clone.url(), bundled("sql"), size=10)
            await database.open()
            stack.push_async_callback(database.close)
            processes.append(Process(await ports_on(database), Settings(data_dir=folder, allow_private_egress=True)))
        one, two = processes
        principal = await a_principal(one.ports)
        made = [await a_sender(one.ports, principal) for _ in range(senders)]
        await two.ports.directory.refresh()
        yield Arena(one, two, principal, made, stack)


async def a_held_message(on: Arena, place: str, *, at_most_s: float) -> tuple[str, Hold]:
    """Accept a message to somebody who opted in, and hold its hand-off at a place: the phone, and what lets it go."""
    failpoints.ACTIVE[place] = hold = Hold(at_most_s)
    phone = a_phone()
    await a_grant(on.one.ports, on.principal, phone)
    on.start(on.one)
    assert await on.send(phone, by=on.one, sender=on.senders[0])
    await asyncio.wait_for(hold.reached.wait(), 5)
    return phone, hold


async def stop_while_held(on: Arena, place: str, *, at_most_s: float) -> Trace:
    """Hold a hand-off at a place while the person says STOP, then let it go.

    It is let go when the STOP was acknowledged, or after `at_most_s`: a STOP that waits for it must not hang.
    """
    phone, hold = await a_held_message(on, place, at_most_s=at_most_s)
    await on.stop(phone, by=on.two, sender=on.senders[0])
    hold.let_go.set()
    return await on.settled()


class Crowd:
    """Many people who are written to by 8 senders through both processes, and who say STOP at random moments."""

    def __init__(self, on: Arena, seed: int, *, people: int, at_once: int) -> None:
        self._on = on
        self._random = random.Random(seed)
        self._people = people
        self._room = asyncio.Semaphore(at_once)

    async def run(self) -> Trace:
        """Let everybody live, and give what happened."""
        for place in _SLOW:
            failpoints.ACTIVE[place] = self._slow
        for place in _STOPPING:
            failpoints.ACTIVE[place] = self._slower_now_and_then
        failpoints.ACTIVE["dispatch.before_first_byte"] = self._slow_or_too_late
        self._on.start(self._on.one, self._on.two)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._people):
                group.create_task(self._person())
        return await self._on.settled()

    async def _person(self) -> None:
        async with self._room:
            phone = a_phone()
            await a_grant(self._any().ports, self._on.principal, phone)
            await self._written_to_until_stop(phone)
            while self._random.random() < 0.3:
                by = self._any()
                self._on.trace.openings.append(Said(phone, by.ports.clock.now()))
                await a_grant(by.ports, self._on.principal, phone)
                await self._written_to_until_stop(phone)

    async def _written_to_until_stop(self, phone: str) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stop(phone))
            for _ in range(9):
                await self._send(phone)
                await asyncio.sleep(self._random.uniform(0, 0.12))
        await self._send(phone)

    async def _send(self, phone: str) -> None:
        await self._on.send(phone, by=self._any(), sender=self._random.choice(self._on.senders))

    async def _stop(self, phone: str) -> None:
        await asyncio.sleep(self._random.uniform(0, 1.4))
        await self._on.stop(phone, by=self._any(), sender=self._random.choice(self._on.senders))

    def _any(self) -> Process:
        return self._random.choice((self._on.one, self._on.two))

    async def _slow(self) -> None:
        await asyncio.sleep(self._random.uniform(0.02, 0.2))

    async def _slow_or_too_late(self) -> None:
        await asyncio.sleep(self._random.uniform(*((0.5, 1.5) if self._random.random() < 0.05 else (0.02, 0.2))))

    async def _slower_now_and_then(self) -> None:
        if self._random.random() < 0.3:
            await asyncio.sleep(self._random.uniform(0.0, 0.05))
