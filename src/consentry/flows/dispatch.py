"""Hand messages off: claim, ask the gate again, compare and hand off, send, settle. There is no second way out.

The order that the guarantee rests on (DESIGN §3): the decision is made on a head read in the claim; the lease is given
only if that head's version still stands, under a share lock; the deadline is taken before the lease is asked for and is
checked by the network client in the same step that writes the first byte.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from consentry import logs, meters
from consentry.flows.accept import error_of
from consentry.flows.attempt import Attempts
from consentry.flows.in_flight import InFlight
from consentry.flows.ports import Ports
from consentry.flows.settle import Settler, callback
from consentry.kernel import failpoints
from consentry.kernel.decision import Decision, Verdict
from consentry.kernel.message import State
from consentry.rules import fold
from consentry.rules.delivery import Step, movable
from consentry.rules.gate import Request, SenderFacts, decide, refuse_on_error
from consentry.store.callbacks import NewCallback
from consentry.store.ledger import AddressKey
from consentry.store.outbox import ALL_LANES, Deferral, HandOff, Refusal
from consentry.store.rows import ClaimedRow

_log = logs.get("dispatch")
_encode = msgspec.json.Encoder().encode
_HOLD_S: Final = 10.0
_PAUSED_S: Final = 1.0
_BUSY_S: Final = 0.05
_BURST_S: Final = 0.1
_REFUSABLE: Final = [state.value for state in movable(Step.REFUSE)]

Decided = tuple[ClaimedRow, Decision]


class Dispatcher:
    """The sending half of a worker."""

    def __init__(
        self, ports: Ports, attempts: Attempts, settler: Settler, *, most_in_flight: int = 256, batch: int = 128
    ) -> None:
        self._ports = ports
        self._attempts = attempts
        self._settler = settler
        self._batch = batch
        self._of_sender: Counter[int] = Counter()
        self._in_flight = InFlight("dispatch", _log, most_in_flight)

    async def run_once(self) -> int:
        """Claim one batch and send off what the gate allows; give how many were claimed. Errors: Unavailable."""
        free = await self._in_flight.room()
        async with self._ports.database.connection() as connection:
            claimed = await self._ports.outbox.claim(connection, ALL_LANES, min(free, self._batch), _HOLD_S)
        if failpoints.ACTIVE:
            await failpoints.reach("dispatch.claimed")
        known = await self._known(claimed)
        if known:
            await self._process(known)
        return len(claimed)

    async def drain(self, grace_s: float) -> None:
        """Finish what was handed off, within the grace; what is left becomes unknown by the rescuer."""
        await self._in_flight.drain(grace_s)
        await self._settler.drain()

    async def _process(self, claimed: Sequence[ClaimedRow]) -> None:
        allowed: list[Decided] = []
        refused: list[Decided] = []
        later: list[Deferral] = []
        for row in claimed:
            decision = self._decide(row)
            if decision.verdict is Verdict.ALLOW:
                allowed.append((row, decision))
            elif decision.verdict is Verdict.REFUSE:
                refused.append((row, decision))
            else:
                later.append(Deferral(row.lane, row.message_id, row.attempt_no, _PAUSED_S))
        _count("taken", allowed)
        _count("refused", refused)
        if failpoints.ACTIVE:
            await failpoints.reach("dispatch.decided")
        if refused:
            await self._refuse(refused)
        if allowed:
            allowed, busy = await self._within_limits(allowed)
            later += busy
        if later:
            async with self._ports.database.connection() as connection:
                await self._ports.outbox.defer(connection, later)
        if allowed:
            await self._hand_off(allowed)

    async def _known(self, claimed: Sequence[ClaimedRow]) -> list[ClaimedRow]:
        """Give the messages whose senders this process knows; a sender made a moment ago is looked up, then waited for."""
        directory = self._ports.directory
        if not all(directory.has_sender(row.sender_id) for row in claimed):
            await directory.refresh()
        known = [row for row in claimed if directory.has_sender(row.sender_id)]
        late = [row for row in claimed if not directory.has_sender(row.sender_id)]
        if late:
            async with self._ports.database.connection() as connection:
                await self._ports.outbox.defer(
                    connection, [Deferral(row.lane, row.message_id, row.attempt_no, _PAUSED_S) for row in late]
                )
        return known

    def _decide(self, row: ClaimedRow) -> Decision:
        policy, version = self._ports.policy, max(row.version, 0)
        try:
            facts = SenderFacts(
                sid=self._ports.directory.sender(row.sender_id).sid,
                channel=row.channel,
                paused=row.paused,
                restricted=row.restricted,
                account_suspended=row.suspended,
                sends_paused=row.sends_paused,
            )
            cause = row.cause_record_id.hex() if row.cause_record_id else ""
            request = Request(facts, row.purpose, row.valid_until, cause, row.cause_at)
            return decide(request, fold.decode(version, row.state), policy, row.now)
        except Exception as error:
            return refuse_on_error(policy.digest, version, type(error).__name__)

    async def _refuse(self, refused: Sequence[Decided]) -> None:
        rows = {row.message_id: row for row, _ in refused}
        batch = [
            Refusal(row.lane, row.message_id, row.attempt_no, *error_of(decision), _encode(decision))
            for row, decision in refused
        ]
        errors = {entry.message_id: (entry.error_code, entry.error_message) for entry in batch}
        async with self._ports.database.transaction() as connection:
            callbacks: list[NewCallback] = []
            for done in await self._ports.outbox.refuse(connection, batch, _REFUSABLE):
                callbacks += callback(self._ports, rows[done.message_id], State.FAILED, *errors[done.message_id])
            await self._ports.callbacks.enqueue(connection, callbacks)

    async def _within_limits(self, allowed: list[Decided]) -> tuple[list[Decided], list[Deferral]]:
        """Split a batch by what each sender's rate and concurrency let go now."""
        by_sender: dict[int, list[Decided]] = defaultdict(list)
        for pair in allowed:
            by_sender[pair[0].sender_id].append(pair)
        go: list[Decided] = []
        later: list[Deferral] = []
        for sender_id, pairs in by_sender.items():
            sender = self._ports.directory.sender(sender_id)
            room, step, first = max(0, sender.max_in_flight - self._of_sender[sender_id]), 0.0, _BUSY_S
            if sender.rate_per_s is not None:
                step = 1 / sender.rate_per_s
                want = min(room, len(pairs))
                async with self._ports.database.connection() as connection:
                    pace = await self._ports.outbox.take_slots(connection, sender_id, want, step, max(_BURST_S, step))
                room, first = pace.granted, pace.wait_s
            go += pairs[:room]
            later += [
                Deferral(row.lane, row.message_id, row.attempt_no, first + number * step)
                for number, (row, _) in enumerate(pairs[room:])
            ]
        return go, later

    async def _hand_off(self, allowed: Sequence[Decided]) -> None:
        ports = self._ports
        # Before the question, not after the answer: the database starts the lease later than this, so it ends later too.
        not_after = ports.clock.monotonic() + ports.lease_s - ports.lease_margin_s
        async with ports.database.connection() as connection:
            headless = [AddressKey(row.lane, row.account_id, row.address_key) for row, _ in allowed if row.version < 0]
            if headless:
                await ports.outbox.ensure_heads(connection, headless)
            leased = await ports.outbox.hand_off(connection, [_asked(*pair) for pair in allowed], ports.lease_s)
            again = [
                Deferral(r.lane, r.message_id, r.attempt_no, 0.0) for r, _ in allowed if r.message_id not in leased
            ]
            if again:
                await ports.outbox.defer(connection, again)
        if failpoints.ACTIVE:
            await failpoints.reach("dispatch.leased")
        for row, _ in allowed:
            if row.message_id in leased:
                self._of_sender[row.sender_id] += 1
                self._in_flight.start(self._send(row, not_after))

    async def _send(self, row: ClaimedRow, not_after: float) -> None:
        try:
            ending = await self._attempts.make(row, not_after)
        finally:
            self._of_sender[row.sender_id] -= 1
        await self._settler.settle(row, ending)


def _count(word: str, decided: Sequence[Decided]) -> None:
    for channel, number in Counter(row.channel for row, _ in decided).items():
        meters.DECISIONS.labels("handoff", channel, word).inc(number)


def _asked(row: ClaimedRow, decision: Decision) -> HandOff:
    return HandOff(
        lane=row.lane,
        message_id=row.message_id,
        attempt_no=row.attempt_no,
        account_id=row.account_id,
        address_key=row.address_key,
        sender_id=row.sender_id,
        version=decision.head_version,
        decision=_encode(decision),
    )
