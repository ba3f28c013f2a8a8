"""One hand-off of one leased message, and what became of it: every failure has its own ending (I4)."""

import random
from collections.abc import Mapping
from typing import Final

import msgspec

from consentry import logs
from consentry.channels.adapter import Adapter
from consentry.flows import announce
from consentry.flows.line import Line
from consentry.flows.ports import Ports
from consentry.kernel import failpoints
from consentry.kernel.address import Channel
from consentry.kernel.calls import HttpReply, Outgoing, SimulatorCall
from consentry.kernel.errors import NotFound
from consentry.kernel.message import RETRYABLE, FailureClass, Outcome, State
from consentry.net.client import HttpClient
from consentry.net.failures import NetError, TooLate
from consentry.store.outbox import Settled
from consentry.store.rows import ClaimedRow

_log = logs.get("attempt")
_MOST_ATTEMPTS: Final = 12
_FIRST_BACKOFF_S: Final = 1.0
_LONGEST_BACKOFF_S: Final = 300.0
_UNKNOWN_CODE: Final = 30008
_UNKNOWN_TEXT: Final = "Unknown: the provider's answer was lost; the message may have been sent, and is not sent again"


class Ending(msgspec.Struct, frozen=True):
    """What became of a hand-off, and what the provider said of the address, if anything."""

    settled: Settled
    outcome: Outcome | None = None


class Attempts:
    """Makes hand-offs through adapters and the network, or through the simulated one."""

    def __init__(
        self,
        ports: Ports,
        adapters: Mapping[str, Adapter],
        http: HttpClient,
        line: Line,
        *,
        jitter: random.Random | None = None,
    ) -> None:
        self._ports = ports
        self._adapters = adapters
        self._http = http
        self._line = line
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._configurations: dict[int, tuple[int, msgspec.Struct]] = {}

    async def make(self, row: ClaimedRow, not_after: float) -> Ending:
        """Hand a leased message off, unless its lease is over before the first byte."""
        try:
            reply, adapter, configuration = await self._transmit(row, not_after)
            outcome = adapter.interpret(reply, configuration)
        except TooLate:
            return Ending(_settled(row, "lapsed", State.QUEUED, retry_s=0.0))
        except NetError as error:
            if error.sent:
                return Ending(_unknown(row, type(error).__name__))
            return self._again(row, "not_sent", FailureClass.TRANSIENT, type(error).__name__, None)
        except NotFound:
            return Ending(_settled(row, "not_sent", State.FAILED, FailureClass.AUTH))
        except Exception:
            # An adapter that raises may do so before or after the bytes left: nobody knows.
            _log.exception("attempt.adapter_failed", extra={"sender": row.sender_id})
            return Ending(_unknown(row, "adapter"))
        if failpoints.ACTIVE:
            await failpoints.reach("dispatch.answered")
        return self._judge(row, outcome)

    async def _transmit(self, row: ClaimedRow, not_after: float) -> tuple[HttpReply, Adapter, msgspec.Struct]:
        ports = self._ports
        sender = ports.directory.sender(row.sender_id)
        adapter = self._adapters[sender.provider]
        configuration = self._configuration(row.sender_id, adapter)
        media: tuple[str, ...] = tuple(msgspec.json.decode(row.media, type=list[str])) if row.media else ()
        sid = announce.message_sid(row.message_id, has_media=row.media is not None)
        left = None if row.valid_until is None else int((row.valid_until - row.now).total_seconds())
        call = adapter.prepare(
            Outgoing(
                message_sid=sid,
                attempt_no=row.attempt_no,
                channel=Channel(row.channel),
                from_address=row.from_address,
                to_address=row.to_address,
                body=row.body,
                media=media,
                webhook_url=f"{ports.base_url}/webhooks/{sender.provider}/{sender.sid}?message={sid}",
                valid_for_s=left,
            ),
            configuration,
        )
        if failpoints.ACTIVE:
            await failpoints.reach("dispatch.before_first_byte")
        if isinstance(call, SimulatorCall):
            return await self._line.ring(call, row, not_after=not_after), adapter, configuration
        return await self._http.send(call, not_after=not_after), adapter, configuration

    def _judge(self, row: ClaimedRow, outcome: Outcome) -> Ending:
        if outcome.accepted:
            done = _settled(row, "handed_off", outcome.status, provider_message_id=outcome.provider_message_id)
            return Ending(done)
        failure = outcome.error_class or FailureClass.BAD_REQUEST
        if failure is FailureClass.AMBIGUOUS:
            return Ending(_unknown(row, outcome.provider_code))
        if failure in RETRYABLE:
            return self._again(row, "refused", failure, outcome.provider_code, outcome.retry_after_s)
        return Ending(_settled(row, "refused", State.FAILED, failure, outcome.provider_code), outcome)

    def _again(
        self, row: ClaimedRow, state: str, failure: FailureClass, code: str | None, retry_after_s: float | None
    ) -> Ending:
        """Put the message back for later: doubled wait with jitter, never less than Retry-After; or give up."""
        if row.attempt_no + 1 >= _MOST_ATTEMPTS:
            return Ending(_settled(row, state, State.FAILED, failure, code))
        longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**row.attempt_no)
        wait = max(retry_after_s or 0.0, self._jitter.uniform(longest / 2, longest))
        return Ending(_settled(row, state, State.QUEUED, failure, code, retry_s=wait))

    def _configuration(self, sender_id: int, adapter: Adapter) -> msgspec.Struct:
        version = self._ports.directory.version
        kept = self._configurations.get(sender_id)
        if kept is None or kept[0] != version:
            raw = self._ports.directory.sender(sender_id).configuration
            kept = (version, msgspec.json.decode(raw, type=adapter.configuration))
            self._configurations[sender_id] = kept
        return kept[1]


def _settled(
    row: ClaimedRow,
    state: str,
    status: State,
    failure: FailureClass | None = None,
    code: str | None = None,
    *,
    provider_message_id: str | None = None,
    retry_s: float | None = None,
) -> Settled:
    failed = status is State.FAILED
    return Settled(
        lane=row.lane,
        message_id=row.message_id,
        attempt_no=row.attempt_no,
        state=state,
        provider_message_id=provider_message_id,
        error_class=failure.value if failure else None,
        provider_code=code,
        status=status.value,
        error_code=int(code) if failed and code is not None and code.isascii() and code.isdigit() else None,
        error_message=failure.value if failed and failure else None,
        retry_s=retry_s,
    )


def _unknown(row: ClaimedRow, code: str | None) -> Settled:
    settled = _settled(row, "unknown", State.UNKNOWN, FailureClass.AMBIGUOUS, code)
    return msgspec.structs.replace(settled, error_code=_UNKNOWN_CODE, error_message=_UNKNOWN_TEXT)
