"""What a keyword is answered with: one confirmation, in time, only if something changed, and never past a block."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from tests.build import a_draft, a_grant, a_phone, a_principal, a_sender
from tests.eventually import eventually

from consentry.app import Process
from consentry.channels import simulator
from consentry.flows import senders, simulate
from consentry.flows.senders import SenderChange
from consentry.kernel.address import Channel, parse_recipient
from consentry.kernel.calls import RawRequest
from consentry.kernel.directory import Principal, Sender

_STOPPED = "You have successfully been unsubscribed."
_RESUMED = "You have successfully been re-subscribed"
_HELP = "Reply STOP to unsubscribe. Msg&Data Rates May Apply."


@dataclass(frozen=True)
class Talk:
    """One person with a phone, and one sender."""

    process: Process
    principal: Principal
    sender: Sender
    phone: str

    async def act(self, kind: simulate.Kind, text: str | None = None, *, on: Sender | None = None) -> None:
        """Let the person act."""
        receiver, sid = self.process.services.receiver, (on or self.sender).sid
        await simulate.act(self.process.ports, receiver, self.principal, sid, self.phone, kind, text)

    async def say(self, *texts: str) -> None:
        """Let the person write."""
        for text in texts:
            await self.act("text", text)

    async def heard(self, count: int) -> list[str]:
        """Give what the phone has received, once everything that was to go has gone."""

        async def settled() -> list[str] | None:
            waiting = await self.rows("select 1 from outbox")
            found = await simulate.phone(self.process.ports, self.principal, self.phone)
            return [row.body for row in found] if not waiting and len(found) >= count else None

        return await eventually(settled)

    async def pause(self, *, paused: bool) -> None:
        """Stop or start the sender's hand-offs."""
        change = SenderChange(paused=paused)
        await senders.change_sender(
            self.process.ports, self.principal, self.sender.sid, simulator.Configuration, change
        )

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        """Read from, or write to, the database."""
        async with self.process.ports.database.connection() as connection:
            return list(await connection.fetch(sql, *args))

    async def refusals(self) -> list[list[str]]:
        """Give the reasons for which answers of the service were refused at hand-off or before."""
        rows = await self.rows(
            """
            select coalesce(a.decision, m.decision) as decision from message m
            left join attempt a on a.lane = m.lane and a.message_id = m.message_id
            where m.direction = 'outbound-system' and m.status in ('refused', 'failed') order by m.message_id
            """
        )
        return [[reason["code"] for reason in msgspec.json.decode(row["decision"])["reasons"]] for row in rows]


@pytest.fixture
async def talk(process: Process) -> Talk:
    """A person who has opted in."""
    principal = await a_principal(process.ports)
    sender, phone = await a_sender(process.ports, principal), a_phone()
    await a_grant(process.ports, principal, phone)
    return Talk(process, principal, sender, phone)


async def test_a_stop_is_confirmed_exactly_once_whatever_is_said_again(talk: Talk) -> None:
    await talk.say("STOP")
    await talk.heard(1)
    await talk.say("stop", "Unsubscribe", "STOP ALL", "Hello?", "STOP")

    (heard,) = await talk.heard(1)

    assert heard.startswith(_STOPPED)
    assert len(await talk.rows("select 1 from message where direction = 'outbound-system'")) == 1


async def test_a_duplicate_delivery_of_a_stop_is_not_confirmed_again(talk: Talk) -> None:
    ports = talk.process.ports
    body = msgspec.json.encode(simulator.Act("SA1", "text", talk.phone, talk.sender.address, "STOP"))
    secret = msgspec.json.decode(talk.sender.configuration, type=simulator.Configuration).secret
    headers = (("content-type", "application/json"), ("x-simulator-signature", simulator.sign(secret, body)))
    url = f"{ports.base_url}/webhooks/simulator/{talk.sender.sid}"
    for _ in range(3):
        request = RawRequest("POST", url, headers, body)
        await talk.process.services.receiver.receive("simulator", talk.sender.sid, request)

    assert len(await talk.heard(1)) == 1
    assert len(await talk.rows("select 1 from consent_record where event = 'revoke.keyword'")) == 1


async def test_a_stop_after_a_start_is_a_new_one_and_confirmed_again(talk: Talk) -> None:
    starts = [_STOPPED, _RESUMED, _STOPPED]
    for number, word in enumerate(["STOP", "START", "STOP"], start=1):
        await talk.say(word)
        heard = await talk.heard(number)

    assert [text[: len(start)] for text, start in zip(heard, starts, strict=True)] == starts


async def test_stops_in_quick_succession_are_confirmed_once(talk: Talk) -> None:
    await talk.pause(paused=True)
    await talk.say("STOP", "stop")
    await talk.pause(paused=False)

    assert len(await talk.heard(1)) == 1


async def test_a_stop_that_reached_every_sender_already_is_not_confirmed_by_another(talk: Talk) -> None:
    other = await a_sender(talk.process.ports, talk.principal)
    await talk.say("STOP")
    await talk.heard(1)
    await talk.act("text", "STOP", on=other)

    assert len(await talk.heard(1)) == 1


async def test_a_stop_that_is_about_one_sender_only_is_confirmed_by_each(process: Process) -> None:
    principal = await a_principal(process.ports)
    pages = [
        await a_sender(process.ports, principal, channel=Channel.messenger, address=f"messenger:{number}")
        for number in (71, 72)
    ]
    talk = Talk(process, principal, pages[0], "messenger:4155550100")
    await a_grant(process.ports, principal, talk.phone)
    for number, page in enumerate(pages, start=1):
        await talk.act("text", "STOP", on=page)
        assert len(await talk.heard(number)) == number


async def test_a_start_is_confirmed_only_if_it_restored_something(talk: Talk) -> None:
    await talk.say("START", "unstop")
    assert await talk.heard(0) == []

    await talk.say("STOP")
    await talk.heard(1)
    await talk.say("START", "START")
    heard = await talk.heard(2)

    assert len(heard) == 2
    assert heard[1].startswith(_RESUMED)


async def test_help_is_answered_even_to_one_who_opted_out(talk: Talk) -> None:
    await talk.say("HELP")
    await talk.heard(1)
    await talk.say("STOP")
    await talk.heard(2)
    await talk.say("info")
    heard = await talk.heard(3)

    assert [heard[0], heard[2]] == [_HELP, _HELP]
    refused = await talk.process.services.acceptor.submit(a_draft(talk.sender, talk.phone))
    assert refused.error_code == 21610


async def test_a_person_who_blocked_the_sender_gets_no_answer_at_all(talk: Talk) -> None:
    await talk.act("block")
    await talk.say("STOP", "HELP", "START")

    assert await talk.heard(0) == []
    reasons = await talk.refusals()
    assert reasons
    assert all("BLOCKED" in each for each in reasons)


async def test_a_block_before_the_hand_off_stops_the_confirmation(talk: Talk) -> None:
    await talk.pause(paused=True)
    await talk.say("STOP")
    await talk.act("block")
    await talk.pause(paused=False)

    assert await talk.heard(0) == []
    (reasons,) = await talk.refusals()
    assert "BLOCKED" in reasons


@pytest.mark.parametrize("words", [("STOP",), ("STOP", "START"), ("HELP",)], ids=["stop", "start", "help"])
async def test_an_answer_that_is_more_than_five_minutes_late_is_not_sent(talk: Talk, words: tuple[str, ...]) -> None:
    await talk.say(*words[:-1])
    before = len(await talk.heard(len(words) - 1))
    await talk.pause(paused=True)
    await talk.say(words[-1])
    await talk.rows("update message set cause_at = cause_at - interval '301 seconds' where status = 'queued'")
    await talk.pause(paused=False)

    assert len(await talk.heard(before)) == before
    (reasons,) = await talk.refusals()
    assert "CONFIRMATION_LATE" in reasons


async def test_an_answer_that_is_nearly_five_minutes_late_is_still_sent(talk: Talk) -> None:
    await talk.pause(paused=True)
    await talk.say("STOP")
    await talk.rows("update message set cause_at = cause_at - interval '270 seconds' where status = 'queued'")
    await talk.pause(paused=False)

    assert len(await talk.heard(1)) == 1


async def test_a_confirmation_is_moot_when_the_person_opted_in_again_before_it_left(talk: Talk) -> None:
    await talk.pause(paused=True)
    await talk.say("STOP", "START")
    await talk.pause(paused=False)

    heard = await talk.heard(1)

    assert [text[: len(_RESUMED)] for text in heard if text.startswith(_RESUMED)] == [_RESUMED]
    assert not [text for text in heard if text.startswith(_STOPPED)]


async def test_one_stop_has_one_confirmation_even_if_the_flow_were_wrong(talk: Talk) -> None:
    await talk.say("STOP")
    await talk.heard(1)
    (row,) = await talk.rows("select * from message where direction = 'outbound-system'")
    record = row["cause_record_id"]

    draft = a_draft(talk.sender, talk.phone, purpose="revocation_confirmation", cause=record, cause_at=row["cause_at"])
    with pytest.raises(Exception, match="message_confirmation"):
        await talk.process.services.acceptor.submit(draft)

    assert parse_recipient(talk.phone).text == row["to_address"]
    assert len(await talk.heard(1)) == 1
