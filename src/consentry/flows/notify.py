"""Deliver callbacks: sign as Twilio does, retry as the URL says, fall back once, execute the TwiML that comes back."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from consentry import logs, meters
from consentry.flows import twiml
from consentry.flows.accept import Acceptor
from consentry.flows.fetch import Fetched, FetchFailed, Target, fetch
from consentry.flows.in_flight import InFlight
from consentry.flows.ports import Ports
from consentry.flows.reply import reply
from consentry.kernel import failpoints
from consentry.kernel.errors import Unavailable
from consentry.net.client import HttpClient
from consentry.store.outbox import ALL_LANES
from consentry.store.rows import CallbackRow

_log = logs.get("notify")
_HOLD_S: Final = 90.0
_SCHEDULE_S: Final = (5.0, 300.0, 1800.0, 7200.0, 18_000.0)
"""When a delivery is tried again after it and its fallback failed; after the last it is a dead letter."""
_MOST_DOCUMENTS: Final = 10
_SENT: Final = msgspec.json.encode(("MessageStatus", "sent"))
_ID_TIME_BYTES: Final = 6

Params = list[tuple[str, str]]


class Notifier:
    """The callback half of a worker; one account's dead server keeps only a few of its places busy."""

    def __init__(
        self, ports: Ports, acceptor: Acceptor, http: HttpClient, *, most: int = 64, most_per_account: int = 16
    ) -> None:
        self._ports = ports
        self._acceptor = acceptor
        self._http = http
        self._in_flight = InFlight("notify", _log, most)
        self._per_account = most_per_account
        self._busy: Counter[int] = Counter()

    async def run_once(self) -> int:
        """Claim due callbacks and start their deliveries; give how many were claimed. Errors: Unavailable."""
        free = await self._in_flight.room()
        async with self._ports.database.connection() as connection:
            claimed = await self._ports.callbacks.claim(connection, ALL_LANES, free, _HOLD_S)
        by_message: dict[bytes, list[CallbackRow]] = defaultdict(list)
        for row in sorted(claimed, key=_told):
            by_message[row.message_id].append(row)
        await self._put_back([row for rows in by_message.values() if not self._start(rows) for row in rows])
        return len(claimed)

    async def drain(self, grace_s: float) -> None:
        """Finish deliveries under way; what is cut off is delivered again, with the same token."""
        await self._in_flight.drain(grace_s)

    def _start(self, rows: Sequence[CallbackRow]) -> bool:
        account_id = rows[0].account_id
        if self._busy[account_id] >= self._per_account:
            return False
        self._busy[account_id] += 1
        self._in_flight.start(self._deliver_all(rows))
        return True

    async def _put_back(self, rows: Sequence[CallbackRow]) -> None:
        if not rows:
            return
        async with self._ports.database.connection() as connection:
            for row in rows:
                await self._ports.callbacks.postpone(connection, row, 0.25)

    async def _deliver_all(self, rows: Sequence[CallbackRow]) -> None:
        """Deliver what is to be told of one message, one after the other."""
        try:
            for row in rows:
                await self._deliver(row)
        finally:
            self._busy[rows[0].account_id] -= 1

    async def _deliver(self, row: CallbackRow) -> None:
        params: Params = msgspec.json.decode(row.params, type=Params)
        token = self._ports.directory.account(row.account_id).auth_token
        target = Target(row.url, row.method, token, row.token)
        try:
            await self._converse(row, target, params)
        except (FetchFailed, twiml.TwimlError) as first:
            await self._fall_back(row, target, params, first)

    async def _fall_back(
        self, row: CallbackRow, target: Target, params: Params, first: FetchFailed | twiml.TwimlError
    ) -> None:
        if not row.fallback_url:
            await self._failed(row, first)
            return
        told = [*params, ("ErrorCode", str(first.code)), ("ErrorUrl", row.url.partition("#")[0])]
        other = Target(row.fallback_url, row.fallback_method, target.token, target.idempotency)
        try:
            await self._converse(row, other, told)
        except (FetchFailed, twiml.TwimlError) as second:
            await self._failed(row, second)

    async def _converse(self, row: CallbackRow, target: Target, params: Params) -> None:
        """Deliver one callback; for an inbound message, do what the answer says, and mark it in the same commit."""
        answer = await fetch(self._http, target, params)
        said: list[twiml.Said] = []
        if row.kind == "inbound":
            said = await self._follow(answer, target, params)
        if failpoints.ACTIVE:
            await failpoints.reach("notify.answered")
        async with self._ports.database.transaction() as connection:
            await reply(self._ports, self._acceptor, connection, row, said)
            await self._ports.callbacks.done(connection, row, answer.status)
        meters.CALLBACKS.labels(row.kind, "delivered").inc()
        self._ports.wake()

    async def _follow(self, answer: Fetched, target: Target, params: Params) -> list[twiml.Said]:
        said: list[twiml.Said] = []
        for _ in range(_MOST_DOCUMENTS):
            verbs = twiml.read(answer.body, answer.content_type, answer.url)
            said += [verb for verb in verbs if isinstance(verb, twiml.Said)]
            following = [verb for verb in verbs if isinstance(verb, twiml.Redirected)]
            if not following:
                return said
            there = Target(following[0].url, following[0].method, target.token, target.idempotency)
            answer = await fetch(self._http, there, params)
        raise twiml.TwimlError(14106, "too many documents in one conversation")

    async def _failed(self, row: CallbackRow, error: FetchFailed | twiml.TwimlError) -> None:
        number = row.attempt_no - 1
        retry = _SCHEDULE_S[number] if number < len(_SCHEDULE_S) else None
        status = error.status if isinstance(error, FetchFailed) else None
        meters.CALLBACKS.labels(row.kind, "failed" if retry is not None else "dead").inc()
        _log.warning(
            "callback.failed",
            extra={"kind": row.kind, "error": error.code, "status": status, "attempt": row.attempt_no},
        )
        try:
            async with self._ports.database.connection() as connection:
                await self._ports.callbacks.failed(connection, row, error.code, status, retry)
        except Unavailable:
            _log.warning("callback.mark_failed")  # it comes back by its hold


def _told(row: CallbackRow) -> tuple[bytes, bool]:
    """Give the place of a callback among those of its message: by time, and in one instant `sent` before the rest."""
    return row.callback_id[:_ID_TIME_BYTES], _SENT not in row.params
