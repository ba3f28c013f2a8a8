"""Install, change and pause senders; throw the kill switch. A pause is exact when the call returns."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from consentry.flows.ports import Ports
from consentry.kernel.address import Address
from consentry.kernel.directory import Principal, Sender
from consentry.kernel.errors import Invalid, NotFound

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SenderChange(msgspec.Struct, frozen=True):
    """What a caller sets; an absent value is left as it is."""

    friendly_name: str | None = None
    configuration: dict[str, Any] | None = None
    callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    callback_method: str | None = None
    fallback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    fallback_method: str | None = None
    status_callback_url: str | msgspec.UnsetType | None = msgspec.UNSET
    status_callback_method: str | None = None
    rate_per_s: float | msgspec.UnsetType | None = msgspec.UNSET
    max_in_flight: int | None = None
    paused: bool | None = None


async def install(
    ports: Ports,
    principal: Principal,
    provider: str,
    address: Address,
    configuration: type[msgspec.Struct],
    change: SenderChange,
    *,
    random: Callable[[int], bytes] = os.urandom,
) -> Sender:
    """Install a sender; its configuration is checked against its provider's and sealed. Errors: Invalid, Conflict."""
    blank = Sender(
        sender_id=0,
        sid=f"XE{random(16).hex()}",
        account_id=principal.account.account_id,
        account_sid=principal.account.sid,
        channel=address.channel,
        provider=provider,
        address=address.text,
        friendly_name="",
        configuration=_configured(configuration, change.configuration or {}, b"{}"),
        callback_url=None,
        callback_method="POST",
        fallback_url=None,
        fallback_method="POST",
        status_callback_url=None,
        status_callback_method="POST",
        paused=False,
        restricted=False,
        rate_per_s=None,
        max_in_flight=64,
        created_at=_EPOCH,
        updated_at=_EPOCH,
    )
    return await ports.directory.create_sender(_merged(blank, change))


async def change_sender(
    ports: Ports, principal: Principal, sid: str, configuration: type[msgspec.Struct], change: SenderChange
) -> Sender:
    """Change a sender; when it was paused, this returns only after no hand-off of it may still begin."""
    sender = own(ports, principal, sid)
    merged = _merged(sender, change)
    if change.configuration is not None:
        kept = _configured(configuration, change.configuration, sender.configuration)
        merged = msgspec.structs.replace(merged, configuration=kept)
    changed = await ports.directory.update_sender(merged)
    if changed.paused and not sender.paused:
        await ports.ledger.wait_for_sender(changed.sender_id, at_most_s=ports.wait_s)
    ports.wake()
    return changed


async def pause_all(ports: Ports, *, paused: bool) -> None:
    """Switch all sending off or on; when it was switched off, this returns only after no hand-off may still begin."""
    await ports.directory.pause_all(paused=paused)
    if paused:
        await ports.ledger.wait_for_all(at_most_s=ports.wait_s)
    ports.wake()


def own(ports: Ports, principal: Principal, sid: str) -> Sender:
    """Give a sender of the caller's account. Errors: NotFound, the same for a foreign one."""
    found = ports.directory.sender_by_sid(sid)
    if found is None or found.account_id != principal.account.account_id:
        raise NotFound("no such sender")
    return found


def _merged(sender: Sender, change: SenderChange) -> Sender:
    given: dict[str, Any] = {}
    for name in change.__struct_fields__:
        value = getattr(change, name)
        nullable = SenderChange.__struct_defaults__[change.__struct_fields__.index(name)] is msgspec.UNSET
        if name != "configuration" and value is not msgspec.UNSET and (nullable or value is not None):
            given[name] = value
    return msgspec.structs.replace(sender, **given)


def _configured(shape: type[msgspec.Struct], given: dict[str, Any], before: bytes) -> bytes:
    """Read a configuration over the one before, so that a change need not repeat secrets; unknown keys are refused."""
    merged = {**msgspec.json.decode(before, type=dict[str, Any]), **given}
    try:
        return msgspec.json.encode(msgspec.convert(merged, shape))
    except msgspec.ValidationError as error:
        raise Invalid(f"configuration: {error}", field="configuration") from error
