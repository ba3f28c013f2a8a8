"""Follow what becomes of a message after its hand-off: provider reports move it, never backwards."""

from consentry.flows import announce
from consentry.flows.ports import Ports
from consentry.kernel.directory import Sender
from consentry.kernel.errors import NotFound
from consentry.kernel.ids import from_sid
from consentry.kernel.message import State, StatusReport
from consentry.rules.delivery import reported
from consentry.store.database import Connection


async def find(ports: Ports, connection: Connection, sender: Sender, report: StatusReport) -> bytes | None:
    """Give the message that a report is about: by our own sid if it carries one, else by the provider's id."""
    if report.message_sid is not None:
        try:
            message_id = from_sid(report.message_sid, "SM", "MM")
        except NotFound:
            return None
        row = await ports.messages.get(connection, sender.account_id, message_id)
        return message_id if row is not None and row.sender_id == sender.sender_id else None
    return await ports.messages.find_by_provider_id(
        connection, sender.account_id, sender.sender_id, report.provider_message_id
    )


async def track(ports: Ports, connection: Connection, sender: Sender, message_id: bytes, report: StatusReport) -> bool:
    """Move a message as a report says, and queue its callback; False if the report says nothing new."""
    row = await ports.messages.lock(connection, message_id)
    if row is None:
        return False
    before = State(row.status)
    after = reported(before, report.status)
    if after is before:
        return False
    code = _number(report.provider_code)
    text = str(report.error_class) if report.error_class else None
    await ports.messages.report(connection, message_id, after.value, code, text)
    event = announce.Event(
        message_id,
        after,
        row.from_address,
        row.to_address,
        has_media=row.has_media,
        status_callback=row.status_callback,
        error_code=code,
        error_message=text,
    )
    callback = announce.status(ports, sender, event)
    if callback is not None:
        await ports.callbacks.enqueue(connection, [callback])
    return True


def _number(code: str | None) -> int | None:
    return int(code) if code is not None and code.isascii() and code.isdigit() else None
