"""The whole HTTP surface as one ASGI application."""

from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from consentry import __version__
from consentry.kernel.directory import Principal
from consentry.web import consents, health, messages, senders, simulator, twilio, webhooks
from consentry.web.fast import FastLane
from consentry.web.problems import HANDLERS
from consentry.web.services import Services


def build(services: Services) -> FastLane:
    """Build the application."""

    def given() -> Services:
        return services

    def caller(request: Request[Any, Any, Any]) -> Principal:
        header = request.headers.get("authorization")
        return services.authenticator.principal(None if header is None else header.encode("latin-1"))

    app = Litestar(
        route_handlers=[
            twilio.router,
            consents.router,
            messages.router,
            senders.router,
            simulator.router,
            webhooks.router,
            *health.handlers,
        ],
        dependencies={
            "services": Provide(given, sync_to_thread=False),
            "principal": Provide(caller, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,  # type: ignore[arg-type]  # Litestar wants its own request type in the key's handler
        openapi_config=OpenAPIConfig(
            title="Consentry",
            version=__version__,
            path="/schema",
            components=Components(security_schemes={"basic": SecurityScheme(type="http", scheme="basic")}),
            security=[{"basic": []}],
        ),
        logging_config=None,
    )
    return FastLane(app, services)
