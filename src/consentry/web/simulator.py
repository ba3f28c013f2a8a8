"""Play with simulated phones: `/v1/simulator`, only where a simulator sender exists."""

from datetime import datetime

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, JSONBody

from consentry.flows import simulate
from consentry.flows.announce import message_sid
from consentry.flows.line import Step
from consentry.kernel.directory import Scope
from consentry.kernel.errors import ConsentryError
from consentry.web import problems
from consentry.web.auth import require
from consentry.web.problems import JSON
from consentry.web.services import Caller, Given


class InboundAct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What a person does on a simulated phone. `sender` is the XE sid, or the address, of the sender written to."""

    sender: str
    from_: str
    type: simulate.Kind = "text"
    text: str | None = None


class PhoneScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a phone answers the attempts of each message from a sender, in order; after the last all is well."""

    sender: str
    script: tuple[Step, ...]


class PhoneMessage(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One message on a phone, and the instant at which its hand-off began."""

    sid: str
    from_: str
    to: str
    body: str
    handed_off_at: datetime


class Phone(msgspec.Struct, frozen=True):
    """What a phone received, oldest first."""

    messages: list[PhoneMessage]


@post("/inbound", status_code=200)
async def act(services: Given, principal: Caller, data: JSONBody[InboundAct]) -> Response[bytes]:
    """Let a person act; answers after the signal was acknowledged, with the status that its webhook got."""
    require(principal, Scope.ADMIN)
    simulate.simulated(services.ports, principal)
    try:
        await simulate.act(services.ports, services.receiver, principal, data.sender, data.from_, data.type, data.text)
    except ConsentryError as error:
        status, body, kind, headers = problems.answer(error, "/v1/simulator/inbound")
        return Response(body, status_code=status, media_type=kind, headers=headers)
    return Response(msgspec.json.encode({"status": 200}), media_type=JSON)


@get("/phones/{address:str}")
async def read_phone(services: Given, principal: Caller, address: FromPath[str]) -> Phone:
    """Show a phone."""
    require(principal, Scope.READ)
    rows = await simulate.phone(services.ports, principal, address)
    return Phone(
        [
            PhoneMessage(
                message_sid(row.message_id, has_media=False),
                row.from_address,
                row.to_address,
                row.body,
                row.handed_off_at,
            )
            for row in rows
        ]
    )


@post("/phones/{address:str}", status_code=200)
async def script_phone(
    services: Given, principal: Caller, address: FromPath[str], data: JSONBody[PhoneScript]
) -> PhoneScript:
    """Set delays and faults of a phone."""
    require(principal, Scope.ADMIN)
    await simulate.script(services.ports, principal, data.sender, address, data.script)
    return data


router = Router(
    path="/v1/simulator",
    tags=["simulator"],
    route_handlers=[act, read_phone, script_phone],
    request_max_body_size=262_144,
)
