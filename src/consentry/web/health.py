"""Is it alive, is it ready, and what has it counted."""

import contextlib

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consentry.flows.health import ready
from consentry.flows.maintain import measure
from consentry.kernel.errors import Unavailable
from consentry.web.services import Given


@get("/livez", include_in_schema=False)
async def livez() -> dict[str, str]:
    """The loop turns."""
    return {"status": "alive"}


@get("/readyz", include_in_schema=False)
async def readyz(services: Given) -> Response[dict[str, str]]:
    """The primary answers and nothing is being shut down."""
    why = await ready(services.ports)
    if why is None:
        return Response({"status": "ready"})
    return Response({"status": "not ready", "why": why}, status_code=503)


@get("/metrics", include_in_schema=False)
async def metrics(services: Given) -> Response[bytes]:
    """Counts for Prometheus; no account, no address."""
    with contextlib.suppress(Unavailable):
        await measure(services.ports)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


handlers = [livez, readyz, metrics]
