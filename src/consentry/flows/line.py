"""The simulated network: a hand-off to a phone that lives in the database, with its delays and faults by script."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from consentry.flows.ports import Ports
from consentry.kernel.calls import HttpReply, SimulatorCall
from consentry.kernel.errors import Unavailable
from consentry.net.failures import ConnectionLost, ReadTimeout, TooLate
from consentry.store.batcher import Batcher
from consentry.store.rows import ClaimedRow
from consentry.store.simulator import PhoneMessage

_BLOCKED: Final = 63014


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a phone answers one attempt: after a delay, with a code, a delivery status, or not at all.

    `lost` means that the message arrives and its answer does not; `hang` that neither is known.
    """

    delay_s: float = 0.0
    code: int | None = None
    status: str = "delivered"
    retry_after_s: int | None = None
    lost: bool = False
    hang: bool = False


class Line:
    """Rings simulated phones; simultaneous calls share a commit."""

    def __init__(self, ports: Ports, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._ports = ports
        self._sleep = sleep
        self._batcher: Batcher[PhoneMessage, Step] = Batcher(
            self._receive, in_flight=1, splits=lambda error: not isinstance(error, Unavailable)
        )

    async def ring(self, call: SimulatorCall, message: ClaimedRow, *, not_after: float) -> HttpReply:
        """Hand a message to a phone. The instant it keeps is the one at which the hand-off began.

        Errors: TooLate if the lease is over; ReadTimeout and ConnectionLost by script: the outcome is unknown.
        """
        if self._ports.clock.monotonic() >= not_after:
            raise TooLate("the lease is over")
        arrived = PhoneMessage(
            lane=message.lane,
            message_id=message.message_id,
            attempt_no=message.attempt_no,
            account_id=message.account_id,
            address_key=message.address_key,
            sender_id=message.sender_id,
            channel=message.channel,
            from_address=call.from_address,
            to_address=call.to_address,
            body=call.body,
            handed_off_at=self._ports.clock.now(),
        )
        try:
            step = await self._batcher.submit(arrived)
        except Unavailable as error:
            raise ConnectionLost("the simulated network went away") from error
        if step.delay_s:
            await self._sleep(step.delay_s)
        if step.hang or step.lost:
            raise ReadTimeout("the simulated network did not answer")
        headers = (("retry-after", str(step.retry_after_s)),) if step.retry_after_s is not None else ()
        body: dict[str, Any] = {"code": step.code}
        if step.code is None:
            body = {"sid": f"SIM{message.message_id.hex()}{message.attempt_no}", "status": step.status}
        return HttpReply(status=201 if step.code is None else 400, headers=headers, body=msgspec.json.encode(body))

    async def _receive(self, batch: Sequence[PhoneMessage]) -> Sequence[Step | Exception]:
        async with self._ports.database.connection() as connection:
            behaving = await self._ports.phones.behaving(connection, batch)
            steps = [self._step(m, behaving.get((m.account_id, m.address_key, m.sender_id))) for m in batch]
            arriving = [m for m, step in zip(batch, steps, strict=True) if step.code is None and not step.hang]
            if arriving:
                await self._ports.phones.receive(connection, arriving)
        return steps

    @staticmethod
    def _step(message: PhoneMessage, behaviour: Any) -> Step:
        if behaviour is None:
            return Step()
        if behaviour.blocked:
            return Step(code=_BLOCKED)
        script = msgspec.json.decode(behaviour.script, type=tuple[Step, ...]) if behaviour.script else ()
        return script[message.attempt_no] if message.attempt_no < len(script) else Step()
