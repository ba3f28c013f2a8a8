"""Accept messages: decide each, write it with its decision, queue what may go. Many requests share one commit."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from consentry import meters
from consentry.flows.ports import Ports
from consentry.kernel.address import Address
from consentry.kernel.consent import Head
from consentry.kernel.decision import Decision, ReasonCode
from consentry.kernel.directory import Sender
from consentry.kernel.errors import Unavailable
from consentry.kernel.ids import to_sid
from consentry.kernel.message import Direction, State
from consentry.kernel.segments import count
from consentry.rules import fold
from consentry.rules.compiled import Policy
from consentry.rules.gate import Request, decide, refuse_on_error
from consentry.store.batcher import Batcher
from consentry.store.database import Connection
from consentry.store.outbox import NewMessage

_encode = msgspec.json.Encoder().encode
_OPTED_OUT: Final = 21610
_VALIDITY: Final = 30036
_SUSPENDED: Final = 30002
_MESSAGES: Final = {
    _OPTED_OUT: "Attempt to send to unsubscribed recipient",
    _VALIDITY: "Message validity period expired",
    _SUSPENDED: "Account suspended",
}
DEFAULT_VALIDITY_S: Final = 36_000
_BULK: Final = 1000
_BULK_IN_FLIGHT: Final = 2


class Draft(msgspec.Struct, frozen=True):
    """A message that a caller, a TwiML answer or the service itself asks to send."""

    sender: Sender
    to: Address
    body: str
    purpose: str
    direction: Direction = Direction.API
    media: tuple[str, ...] = ()
    status_callback: str | None = None
    validity_s: int = DEFAULT_VALIDITY_S
    refused_as: State = State.REFUSED
    """How a refusal is kept: hidden as `refused` where the caller got an error, or as a `failed` message."""
    cause: bytes | None = None
    cause_at: datetime | None = None


class Accepted(msgspec.Struct, frozen=True):
    """The message as it was written, and why."""

    sid: str
    draft: Draft
    decision: Decision
    status: State
    num_segments: int
    created_at: datetime
    error_code: int | None = None
    error_message: str | None = None

    @property
    def refused(self) -> bool:
        """Whether the gate said no."""
        return self.error_code is not None


class Acceptor:
    """The door for messages of this process; one instance, so that simultaneous requests share statements."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._batcher: Batcher[Draft, Accepted] = Batcher(
            self._commit, in_flight=2, most=256, splits=lambda error: not isinstance(error, Unavailable)
        )
        self.submit = self._batcher.submit

    async def drain(self) -> None:
        """Wait until every submitted message is committed."""
        await self._batcher.drain()

    async def accept_all(self, drafts: Sequence[Draft]) -> list[Accepted]:
        """Accept a bulk request in its own commits, not mixed with single ones: while one is written, the next is decided."""
        gate = asyncio.Semaphore(_BULK_IN_FLIGHT)

        async def part(start: int) -> list[Accepted]:
            async with gate:
                return await self._commit(drafts[start : start + _BULK])

        parts = await asyncio.gather(*(part(start) for start in range(0, len(drafts), _BULK)))
        return [accepted for done in parts for accepted in done]

    async def within(self, connection: Connection, drafts: Sequence[Draft]) -> list[Accepted]:
        """Decide and write messages on a connection, inside a flow's transaction if there is one."""
        if not drafts:
            return []
        keys = [self._ports.key(draft.sender.account_id, draft.to) for draft in drafts]
        rows = await self._ports.outbox.heads(connection, keys)
        accepted: list[Accepted] = []
        messages: list[NewMessage] = []
        now = rows[0]["now"]
        for draft, key, (version, state, _) in zip(drafts, keys, rows, strict=True):
            decision = ask_stored(self._ports.policy, _request(self._ports, draft), version, state, now)
            message_id = self._ports.ids.new(key.lane)
            done = _accepted(draft, decision, message_id, now)
            accepted.append(done)
            messages.append(_row(done, message_id, key.key))
        await self._ports.outbox.accept(connection, messages)
        _count(accepted)
        return accepted

    async def _commit(self, drafts: Sequence[Draft]) -> list[Accepted]:
        async with self._ports.database.connection() as connection:
            accepted = await self.within(connection, drafts)
        self._ports.wake()
        return accepted


def _count(accepted: Sequence[Accepted]) -> None:
    refused: dict[int, list[int]] = {}
    for done in accepted:
        refused.setdefault(done.draft.sender.sender_id, [0, 0])[done.error_code is not None] += 1
    channels = {done.draft.sender.sender_id: done.draft.sender.channel for done in accepted}
    for sender_id, numbers in refused.items():
        for word, number in zip(("taken", "refused"), numbers, strict=True):
            meters.DECISIONS.labels("accept", channels[sender_id], word).inc(number)


def ask(policy: Policy, request: Request, head: Head, now: datetime) -> Decision:
    """Ask the gate. An error in a rule is a refusal."""
    try:
        return decide(request, head, policy, now)
    except Exception as error:
        return refuse_on_error(policy.digest, head.version, type(error).__name__)


def ask_stored(policy: Policy, request: Request, version: int, state: bytes, now: datetime) -> Decision:
    """Ask the gate about a head as it is stored. A damaged head is a refusal."""
    try:
        head = fold.decode(version, state)
    except (msgspec.DecodeError, ValueError) as error:
        return refuse_on_error(policy.digest, version, f"the head is damaged ({type(error).__name__})")
    return ask(policy, request, head, now)


def error_of(decision: Decision) -> tuple[int, str]:
    """Give the Twilio error of a refusal."""
    codes = {reason.code for reason in decision.reasons}
    if ReasonCode.ACCOUNT_SUSPENDED in codes:
        code = _SUSPENDED
    elif codes == {ReasonCode.VALIDITY_EXPIRED}:
        code = _VALIDITY
    else:
        code = _OPTED_OUT
    return code, _MESSAGES[code]


def _request(ports: Ports, draft: Draft) -> Request:
    return Request(
        sender=ports.facts(draft.sender),
        purpose=draft.purpose,
        cause=draft.cause.hex() if draft.cause else "",
        cause_at=draft.cause_at,
    )


def _accepted(draft: Draft, decision: Decision, message_id: bytes, now: datetime) -> Accepted:
    refused = decision.verdict == "refuse"
    code, text = error_of(decision) if refused else (None, None)
    return Accepted(
        sid=to_sid("MM" if draft.media else "SM", message_id),
        draft=draft,
        decision=decision,
        status=draft.refused_as if refused else State.QUEUED,
        num_segments=count(draft.body),
        created_at=now,
        error_code=code,
        error_message=text,
    )


def _row(done: Accepted, message_id: bytes, address_key: bytes) -> NewMessage:
    draft, sender, created_at = done.draft, done.draft.sender, done.created_at
    return NewMessage(  # in order and without names: this is the hottest line of accept
        address_key[0],
        message_id,
        sender.account_id,
        address_key,
        sender.sender_id,
        draft.to.channel,
        draft.direction,
        sender.address,
        draft.to.text,
        draft.body,
        _encode(draft.media).decode() if draft.media else None,
        done.num_segments,
        draft.purpose,
        done.status,
        done.error_code,
        done.error_message,
        _encode(done.decision),
        draft.cause,
        draft.cause_at,
        draft.status_callback,
        created_at + timedelta(0, draft.validity_s),
        created_at,
        None if done.refused else created_at,
    )
