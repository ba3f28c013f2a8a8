"""Do a request once for its Idempotency-Key: the key is claimed, the work done and the answer kept in one transaction.

The codes follow the IETF draft: another request under the same key is a mistake (422), one still under way a conflict
(409), and a repeated one gets the very bytes of the first answer.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from consentry.flows.ports import Ports
from consentry.kernel.errors import Invalid, KeyInFlight, KeyReused
from consentry.store.database import Connection

_LONGEST: Final = 255


class Answer(msgspec.Struct, frozen=True):
    """A whole HTTP answer, and whether it is a repeated one."""

    status: int
    body: bytes
    content_type: str
    replayed: bool = False


Work = Callable[[Connection], Awaitable[Answer]]


async def once(ports: Ports, account_id: int, route: str, key: str, request: bytes, work: Work) -> Answer:
    """Run the work unless this key has been answered. Errors: Invalid, KeyReused, KeyInFlight; those of the work."""
    if not 0 < len(key) <= _LONGEST or not key.isprintable():
        raise Invalid(f"Idempotency-Key must have 1 to {_LONGEST} printable characters", field="Idempotency-Key")
    key_hash = hashlib.sha256(f"{account_id}\0{route}\0{key}".encode()).digest()
    request_hash = hashlib.sha256(request).digest()
    async with ports.database.transaction() as connection:
        if not await ports.answers.alone(connection, key_hash):
            raise KeyInFlight("the first request with this Idempotency-Key has not finished")
        if not await ports.answers.reserve_key(connection, account_id, key_hash, request_hash):
            return await _kept(ports, connection, account_id, key_hash, request_hash)
        answer = await work(connection)
        await ports.answers.keep_answer(
            connection, account_id, key_hash, answer.status, answer.body, answer.content_type
        )
    return answer


async def _kept(ports: Ports, connection: Connection, account_id: int, key_hash: bytes, request_hash: bytes) -> Answer:
    row = await ports.answers.kept_answer(connection, account_id, key_hash)
    if row is None or row.status is None or row.body is None:
        raise KeyInFlight("the first request with this Idempotency-Key has not finished")
    if row.request_hash != request_hash:
        raise KeyReused("this Idempotency-Key was used with another request")
    return Answer(row.status, row.body, row.content_type or "application/json", replayed=True)
