"""Senders: `/v1/senders`. Secrets of a configuration go in and never come out."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Router, get, patch, post
from litestar.params import FromPath, JSONBody

from consentry.flows import senders
from consentry.flows.senders import SenderChange
from consentry.kernel.address import Channel, InvalidAddress, parse_sender
from consentry.kernel.directory import Scope, Sender
from consentry.kernel.errors import Invalid
from consentry.kernel.urls import is_absolute_http
from consentry.web.auth import require
from consentry.web.services import Caller, Given, Provider, Services

_Method = Literal["GET", "POST"]
_FASTEST = 100_000.0


class Changeable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What can be set and changed; an absent field is left as it is, null clears a URL or the rate."""

    friendly_name: str | None = None
    configuration: dict[str, Any] | None = None
    callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    callback_method: _Method | None = None
    fallback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    fallback_method: _Method | None = None
    status_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    status_callback_method: _Method | None = None
    rate_per_s: float | msgspec.UnsetType | None = msgspec.UNSET
    max_in_flight: int | None = None
    paused: bool | None = None

    def change(self) -> SenderChange:
        """Check and give it to the flow. Errors: Invalid names the field."""
        for field in ("callback_url", "fallback_url", "status_callback_url"):
            url = getattr(self, field)
            if isinstance(url, str) and not is_absolute_http(url):
                raise Invalid(f"{field} must be an absolute http or https URL with a valid host name", field=field)
        if isinstance(self.rate_per_s, (int, float)) and not 0 < self.rate_per_s <= _FASTEST:
            raise Invalid("rate_per_s must be more than 0; null means no limit", field="rate_per_s")
        if self.max_in_flight is not None and not 1 <= self.max_in_flight <= 10_000:  # noqa: PLR2004 - as in the schema
            raise Invalid("max_in_flight must be from 1 to 10000", field="max_in_flight")
        if self.friendly_name is not None and "\0" in self.friendly_name:
            raise Invalid("friendly_name must not hold NUL", field="friendly_name")
        return SenderChange(**{name: getattr(self, name) for name in SenderChange.__struct_fields__})


class NewSender(Changeable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sender to install."""

    channel: Channel
    provider: str
    address: str


class SenderView(msgspec.Struct, frozen=True):
    """A sender. `configuration` shows which keys are set, not their values."""

    sid: str
    account_sid: str
    channel: str
    provider: str
    address: str
    friendly_name: str
    status: str
    paused: bool
    configuration: dict[str, str]
    callback_url: str | None
    callback_method: str
    fallback_url: str | None
    fallback_method: str
    status_callback_url: str | None
    status_callback_method: str
    rate_per_s: float | None
    max_in_flight: int
    webhook_url: str
    created_at: datetime
    updated_at: datetime


class SenderList(msgspec.Struct, frozen=True):
    """The senders of the account, oldest first."""

    senders: list[SenderView]


@post("/", status_code=201)
async def install_sender(services: Given, principal: Caller, data: JSONBody[NewSender]) -> SenderView:
    """Install a sender; give `webhook_url` to the platform."""
    require(principal, Scope.ADMIN)
    provider = _provider(services, data.provider)
    if data.channel not in provider.channels:
        known = ", ".join(sorted(provider.channels))
        raise Invalid(f"{data.provider} does not carry {data.channel}; it carries {known}", field="channel")
    try:
        address = parse_sender(data.address, channel=data.channel)
    except InvalidAddress as error:
        raise Invalid(str(error), field="address") from error
    made = await senders.install(
        services.ports, principal, data.provider, address, provider.configuration, data.change()
    )
    return view(services, made)


@get("/")
async def list_senders(services: Given, principal: Caller) -> SenderList:
    """List the senders of the account."""
    require(principal, Scope.READ)
    found = services.ports.directory.senders_of(principal.account.account_id)
    return SenderList([view(services, sender) for sender in found])


@get("/{sid:str}")
async def read_sender(services: Given, principal: Caller, sid: FromPath[str]) -> SenderView:
    """Give one sender."""
    require(principal, Scope.READ)
    return view(services, senders.own(services.ports, principal, sid))


@patch("/{sid:str}")
async def change_sender(
    services: Given, principal: Caller, sid: FromPath[str], data: JSONBody[Changeable]
) -> SenderView:
    """Change a sender. After `paused: true` no hand-off of it begins once this has answered."""
    require(principal, Scope.ADMIN)
    provider = _provider(services, senders.own(services.ports, principal, sid).provider)
    changed = await senders.change_sender(services.ports, principal, sid, provider.configuration, data.change())
    return view(services, changed)


router = Router(
    path="/v1/senders",
    tags=["senders"],
    route_handlers=[install_sender, list_senders, read_sender, change_sender],
    request_max_body_size=262_144,
)


def view(services: Services, sender: Sender) -> SenderView:
    """Show a sender."""
    keys = msgspec.json.decode(sender.configuration, type=dict[str, Any])
    return SenderView(
        sid=sender.sid,
        account_sid=sender.account_sid,
        channel=str(sender.channel),
        provider=sender.provider,
        address=sender.address,
        friendly_name=sender.friendly_name,
        status="paused" if sender.paused else "restricted" if sender.restricted else "active",
        paused=sender.paused,
        configuration={key: "••••" for key, value in keys.items() if value is not None},
        callback_url=sender.callback_url,
        callback_method=sender.callback_method,
        fallback_url=sender.fallback_url,
        fallback_method=sender.fallback_method,
        status_callback_url=sender.status_callback_url,
        status_callback_method=sender.status_callback_method,
        rate_per_s=sender.rate_per_s,
        max_in_flight=sender.max_in_flight,
        webhook_url=f"{services.ports.base_url}/webhooks/{sender.provider}/{sender.sid}",
        created_at=sender.created_at,
        updated_at=sender.updated_at,
    )


def _provider(services: Services, name: str) -> Provider:
    found = services.providers.get(name)
    if found is None:
        raise Invalid(
            f"provider {name[:40]!r} is not known; use one of {', '.join(sorted(services.providers))}", field="provider"
        )
    return found
