"""Take a webhook in: verify, parse, one commit for all of it, wait for leases; only then may it be acknowledged.

A body that verifies but cannot be read is kept raw in quarantine and acknowledged: it is never lost and never a 500.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from consentry import logs, meters
from consentry.channels.adapter import Adapter
from consentry.flows import announce, answer, track
from consentry.flows.accept import Acceptor, Draft
from consentry.flows.append import Fact, Heads, acknowledge, must_wait
from consentry.flows.ports import Ports, day
from consentry.kernel import failpoints
from consentry.kernel.address import Address, InvalidAddress, parse_recipient
from consentry.kernel.calls import RawRequest
from consentry.kernel.consent import ALL, Event, Signal
from consentry.kernel.directory import Sender
from consentry.kernel.errors import BadSignature, NotFound, Unparsable
from consentry.kernel.message import Direction, Inbound, Item, State, StatusReport
from consentry.kernel.segments import count
from consentry.rules.keywords import meaning
from consentry.store.callbacks import NewCallback
from consentry.store.database import Connection
from consentry.store.ledger import Evidence
from consentry.store.outbox import NewMessage

_log = logs.get("receive")
_MOST_TEXT: Final = 65_536
_OPT_OUT_TYPES: Final = {"STOP": "stop", "START": "start", "HELP": "help"}
_SENDER_EVENTS: Final = frozenset({Event.SENDER_RESTRICTED, Event.SENDER_RESTORED})


class Received(msgspec.Struct):
    """What a webhook came to."""

    items: int = 0
    quarantined: bool = False
    sender_changed: bool = False


class Receiver:
    """The door for webhooks of this process."""

    def __init__(self, ports: Ports, acceptor: Acceptor, adapters: Mapping[str, Adapter]) -> None:
        self._ports = ports
        self._acceptor = acceptor
        self._adapters = adapters

    async def receive(self, provider: str, sender_sid: str, request: RawRequest) -> Received:
        """Take one webhook; when this returns, it is durable and in force.

        Errors: NotFound for an unknown sender; BadSignature; Unavailable, and then the platform must deliver again.
        """
        sender = self._ports.directory.sender_by_sid(sender_sid)
        if sender is None or sender.provider != provider:
            raise NotFound("no such webhook")
        adapter = self._adapters[provider]
        configuration = msgspec.json.decode(sender.configuration, type=adapter.configuration)
        try:
            adapter.verify(request, configuration)
        except BadSignature:
            meters.BAD_SIGNATURES.labels(provider).inc()
            _log.warning("webhook.bad_signature", extra={"sender": sender.sid, "provider": provider})
            raise
        try:
            items = adapter.parse(request, configuration, sender.channel)
            addresses = _addresses(items)
        except Unparsable as error:
            return await self._quarantine(sender, request, error.text)
        answers = not adapter.answers_keywords(sender.channel, configuration)
        received = Received(items=len(items))
        async with self._ports.database.transaction() as connection:
            intake = _Intake(self._ports, self._acceptor, connection, sender, request, received, answers=answers)
            opted_out = await intake.take(items, addresses)
        if received.sender_changed:
            await self._ports.directory.refresh()
        await acknowledge(self._ports, sender.account_id, opted_out)
        self._ports.wake()
        return received

    async def _quarantine(self, sender: Sender, request: RawRequest, error: str) -> Received:
        await quarantine(self._ports, sender, request, error)
        return Received(quarantined=True)


async def quarantine(ports: Ports, sender: Sender, request: RawRequest, error: str) -> None:
    """Keep a verified body that could not be read, and raise the alarm."""
    lane = hashlib.sha256(request.body).digest()[0]
    async with ports.database.connection() as connection:
        await ports.database.run(
            connection,
            "quarantine_write",
            lane,
            ports.ids.new(lane),
            sender.account_id,
            sender.sender_id,
            sender.provider,
            _storable(request.url.partition("?")[2])[:4000],
            msgspec.json.encode(request.headers),
            request.body,
            _storable(error)[:1000],
        )
    meters.QUARANTINED.inc()
    _log.error(
        "webhook.quarantined", extra={"sender": sender.sid, "provider": sender.provider, "bytes": len(request.body)}
    )


class _Intake:
    """One webhook inside its transaction."""

    def __init__(
        self,
        ports: Ports,
        acceptor: Acceptor,
        connection: Connection,
        sender: Sender,
        request: RawRequest,
        received: Received,
        *,
        answers: bool,
    ) -> None:
        self._ports = ports
        self._acceptor = acceptor
        self._connection = connection
        self._sender = sender
        self._evidence = Evidence(request.body or request.url.encode("utf-8", "replace"), _content_type(request))
        self._received = received
        self._answers = answers
        self._heads = Heads(ports, connection, sender.account_id)
        self._drafts: list[Draft] = []
        self._callbacks: list[NewCallback] = []
        self._opted_out: list[Address] = []

    async def take(self, items: Sequence[Item], addresses: Sequence[Address]) -> dict[Address, int]:
        """Record everything; give the addresses whose opt-out must be waited for, with the versions of their heads."""
        await self._heads.lock(addresses)
        for item in items:
            if isinstance(item, Inbound):
                await self._inbound(item)
            elif isinstance(item, StatusReport):
                await self._report(item)
            else:
                await self._signal(item)
        await self._heads.write()
        for accepted in await self._acceptor.within(self._connection, self._drafts):
            if accepted.refused:
                _log.warning("answer.refused", extra={"sid": accepted.sid, "purpose": accepted.draft.purpose})
        await self._ports.callbacks.enqueue(self._connection, self._callbacks)
        if failpoints.ACTIVE:
            await failpoints.reach("receive.before_commit")
        return {address: self._heads.version(address) for address in self._opted_out}

    async def _inbound(self, item: Inbound) -> None:
        address = parse_recipient(item.address)
        said = self._meaning(item, address)
        if said == "stop":
            self._opted_out.append(address)
        if not await self._first(address, "message", item.provider_message_id):
            return
        message_id = self._ports.ids.new(self._ports.key(self._sender.account_id, address).lane)
        await self._keep_inbound(address, message_id, item)
        fact = answer.fact_of(self._ports, self._sender, address, said, item, self._evidence)
        appended = self._heads.append(fact)
        if self._answers and not item.opt_out_type:
            draft = answer.draft_of(self._ports, self._sender, address, appended)
            if draft is not None:
                self._drafts.append(draft)
        callback = announce.inbound(
            self._ports,
            self._sender,
            self._ports.account_of(self._sender),
            message_id,
            item,
            said.upper() if said else None,
        )
        if callback is not None:
            self._callbacks.append(callback)

    async def _signal(self, item: Signal) -> None:
        if item.event in _SENDER_EVENTS:
            restricted = item.event is Event.SENDER_RESTRICTED
            await self._ports.directory.restrict_sender(self._connection, self._sender, restricted=restricted)
            self._received.sender_changed = True
            return
        if item.address is None:
            _log.warning("signal.without_address", extra={"sender": self._sender.sid, "signal": str(item.event)})
            return
        address = parse_recipient(item.address)
        if must_wait(item.event):
            self._opted_out.append(address)
        if not await self._first(address, str(item.event), item.provider_event_id):
            return
        self._heads.append(
            Fact(
                address=address,
                event=item.event,
                purpose=item.purpose,
                sender=self._sender.sid,
                origin=self._sender.sid,
                source="webhook",
                actor=f"provider:{self._sender.provider}",
                occurred_at=item.occurred_at,
                evidence=self._evidence,
                provider=self._sender.provider,
                provider_event_id=item.provider_event_id or "",
                lifts=item.event is Event.GRANT_EXPLICIT,
            )
        )

    async def _report(self, item: StatusReport) -> None:
        message_id = await track.find(self._ports, self._connection, self._sender, item)
        if message_id is None:
            _log.warning("report.unknown_message", extra={"sender": self._sender.sid, "status": str(item.status)})
            return
        await track.track(self._ports, self._connection, self._sender, message_id, item)

    def _meaning(self, item: Inbound, address: Address) -> str | None:
        if item.opt_out_type in _OPT_OUT_TYPES:
            return _OPT_OUT_TYPES[item.opt_out_type]
        found = meaning(item.text, str(address.channel), self._ports.policy, day(self._heads.now(address)))
        return None if found is None else found[0]

    async def _first(self, address: Address, kind: str, event_id: str | None) -> bool:
        key = self._ports.key(self._sender.account_id, address)
        identity = event_id if event_id is not None else hashlib.sha256(self._evidence.body).hexdigest()
        named = f"{self._sender.sid}\x00{kind}\x00{identity}\x00{key.key.hex()}"
        digest = hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()[:16]
        return await self._ports.ledger.first_delivery(self._connection, key, digest)

    async def _keep_inbound(self, address: Address, message_id: bytes, item: Inbound) -> None:
        key = self._ports.key(self._sender.account_id, address)
        now: datetime = self._heads.now(address)
        text = _storable(item.text or "")[:_MOST_TEXT]
        row = NewMessage(
            lane=key.lane,
            message_id=message_id,
            account_id=key.account_id,
            address_key=key.key,
            sender_id=self._sender.sender_id,
            channel=str(address.channel),
            direction=Direction.INBOUND.value,
            from_address=address.text,
            to_address=self._sender.address,
            body=text,
            media=msgspec.json.encode([_storable(url) for url, _ in item.media]).decode() if item.media else None,
            num_segments=min(count(text), 1000),
            purpose=ALL,
            status=State.RECEIVED.value,
            error_code=None,
            error_message=None,
            decision=b"",
            cause_record_id=None,
            cause_at=None,
            status_callback=None,
            valid_until=None,
            created_at=now,
            due_at=None,
        )
        await self._ports.outbox.accept(self._connection, [row])


def _addresses(items: Sequence[Item]) -> list[Address]:
    """Give every address whose head the items touch. Errors: Unparsable for one that is none."""
    try:
        return [
            parse_recipient(item.address)
            for item in items
            if not isinstance(item, StatusReport) and item.address is not None
        ]
    except InvalidAddress as error:
        raise Unparsable(f"an address that is none: {error}") from error


def _content_type(request: RawRequest) -> str:
    return _storable(request.header("content-type") or "application/octet-stream")[:200]


def _storable(text: str) -> str:
    """Give the text as PostgreSQL can keep it: no NUL, no lone surrogate. The raw bytes are in the evidence."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
