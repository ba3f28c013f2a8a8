"""What a plain implementation would do: a transaction a request, four statements, the pool as it comes, ordinary handlers."""

import base64
import os
import secrets
import sys
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import uvicorn
from litestar import Litestar, Request, Response, post
from litestar.params import FromPath

_READ = "select h.version, h.state from consent_head h join bench_key k using (lane, account_id, address_key) where k.n = $1"
_MESSAGE = """insert into message (lane, message_id, account_id, address_key, sender_id, channel, direction, from_address,
  to_address, body, num_segments, purpose, status, decision, created_at, updated_at)
  values ($1, $2, 1, $3, 1, 'sms', 'outbound-api', $4, $5, $6, 1, 'marketing', 'queued', '', now(), now())"""
_OUTBOX = "insert into outbox (lane, message_id, account_id, sender_id, due_at) values ($1, $2, 1, 1, now() + interval '1 day')"
_pool: asyncpg.Pool | None = None


@post("/2010-04-01/Accounts/{sid:str}/Messages.json", status_code=201)
async def create(request: Request[Any, Any, Any], sid: FromPath[str]) -> Response[dict[str, str]]:
    """Check, then insert, in one transaction."""
    base64.b64decode(request.headers["authorization"].removeprefix("Basic "))
    form = {key: values[-1] for key, values in parse_qs((await request.body()).decode()).items()}
    message_id = secrets.token_bytes(16)
    assert _pool is not None
    async with _pool.acquire() as connection, connection.transaction():
        head = await connection.fetchrow(_READ, int(form["To"][-5:]) % 10_000)
        if head is None:
            return Response({"code": "21610"}, status_code=400)
        lane = message_id[15]
        await connection.execute(_MESSAGE, lane, message_id, b"\0" * 16, form["From"], form["To"], form["Body"])
        await connection.execute(_OUTBOX, lane, message_id)
    return Response({"sid": f"SM{message_id.hex()}", "account_sid": sid, "status": "queued", **form})


async def _open(_: Litestar) -> None:
    global _pool  # noqa: PLW0603 - a benchmark of the plain way
    _pool = await asyncpg.create_pool(os.environ["NAIVE_DSN"], min_size=10, max_size=10)


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer at once: the limit of the server."""
    if scope["type"] == "http":
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"700")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b" " * 700})


if __name__ == "__main__":
    app: Any = bare if sys.argv[2] == "bare" else Litestar([create], on_startup=[_open], logging_config=None)
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop", http="httptools")
