"""Platforms post here: raw bytes in; 200 only when the signal is durable and in force."""

from typing import Any

from litestar import HttpMethod, Request, Response, Router, route
from litestar.params import FromPath

from consentry.kernel.calls import RawRequest
from consentry.web.services import Given

_MOST_BYTES = 262_144


@route("/{provider:str}/{sender_sid:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
async def webhook(
    request: Request[Any, Any, Any], services: Given, provider: FromPath[str], sender_sid: FromPath[str]
) -> Response[bytes]:
    """Take one webhook. 401 for a bad signature, 404 for an unknown sender, 413 for a body over 256 kB, 503 to retry."""
    query = request.scope["query_string"].decode("latin-1")
    url = f"{services.ports.base_url}{request.url.path}" + (f"?{query}" if query else "")
    headers = tuple((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in request.scope["headers"])
    raw = RawRequest(request.method, url, headers, await request.body())
    await services.receiver.receive(provider, sender_sid, raw)
    return Response(b"", status_code=200, media_type="text/plain")


router = Router(path="/webhooks", route_handlers=[webhook], include_in_schema=False, request_max_body_size=_MOST_BYTES)
