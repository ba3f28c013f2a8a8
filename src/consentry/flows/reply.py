"""Send what a TwiML answer says, through the same gate as everything else."""

from collections.abc import Sequence

from consentry import logs
from consentry.flows import announce
from consentry.flows.accept import Accepted, Acceptor, Draft
from consentry.flows.ports import Ports
from consentry.flows.twiml import Said
from consentry.kernel.address import Address, InvalidAddress, parse_recipient
from consentry.kernel.consent import Category
from consentry.kernel.directory import Sender
from consentry.kernel.ids import from_sid
from consentry.kernel.message import Direction, State
from consentry.store.callbacks import NewCallback
from consentry.store.database import Connection
from consentry.store.rows import CallbackRow

_log = logs.get("reply")
_LONGEST_BODY = 1600


async def reply(
    ports: Ports, acceptor: Acceptor, connection: Connection, row: CallbackRow, said: Sequence[Said]
) -> None:
    """Accept the messages of an answer; a refused one is kept as `failed` with its decision, and told so."""
    if not said:
        return
    inbound = await ports.messages.get(connection, row.account_id, row.message_id)
    if inbound is None:
        return
    drafts: list[Draft] = []
    for answer in said:
        sender = _sender(ports, ports.directory.sender(row.sender_id), answer)
        to = None if sender is None else _address(answer.to or inbound.from_address, sender)
        if sender is None or to is None or len(answer.body) > _LONGEST_BODY or "\0" in answer.body:
            _log.warning("reply.unusable", extra={"sender": row.sender_id})
            continue
        drafts.append(
            Draft(
                sender=sender,
                to=to,
                body=answer.body,
                purpose=Category.CONVERSATIONAL.value,
                direction=Direction.REPLY,
                media=answer.media,
                status_callback=answer.status_callback,
                refused_as=State.FAILED,
            )
        )
    done = [_refused(ports, each) for each in await acceptor.within(connection, drafts) if each.refused]
    await ports.callbacks.enqueue(connection, [callback for callback in done if callback is not None])


def _refused(ports: Ports, refused: Accepted) -> NewCallback | None:
    """Tell of a reply that the gate refused, as Twilio tells of a message that failed after it was accepted."""
    draft = refused.draft
    event = announce.Event(
        message_id=from_sid(refused.sid, "SM", "MM"),
        state=State.FAILED,
        from_address=draft.sender.address,
        to_address=draft.to.text,
        has_media=bool(draft.media),
        status_callback=draft.status_callback,
        error_code=refused.error_code,
        error_message=refused.error_message,
    )
    return announce.status(ports, draft.sender, event)


def _sender(ports: Ports, default: Sender, answer: Said) -> Sender | None:
    if answer.from_ is None:
        return default
    return ports.directory.sender_by_address(default.account_id, str(default.channel), answer.from_)


def _address(text: str, sender: Sender) -> Address | None:
    try:
        found = parse_recipient(text, channel=None if ":" in text else sender.channel)
    except InvalidAddress:
        return None
    return found if found.channel is sender.channel else None
