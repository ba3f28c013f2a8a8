"""What a customer's server answers in TwiML is done, through the same gate as everything else."""

from typing import Any

import pytest
from tests.sdk.gateway import Gateway, Line, until
from tests.sdk.receiver import Answer, Receiver
from twilio.twiml.messaging_response import Message, MessagingResponse

from consentry.flows.fetch import FetchFailed, Target, fetch
from consentry.net.client import HttpClient


def _replies(gateway: Gateway, line: Line, phone: str) -> list[dict[str, Any]]:
    found = gateway.messages(To=phone, From=line.address)
    return [message for message in found if message["direction"] == "outbound-reply"]


def _answering(gateway: Gateway, receiver: Receiver, response: MessagingResponse | str) -> Line:
    return gateway.install(callback_url=receiver.answer("/in", str(response)))


def test_a_message_in_the_answer_reaches_the_person_who_wrote(gateway: Gateway, receiver: Receiver) -> None:
    response = MessagingResponse()
    response.message("Thank you & welcome")
    line = _answering(gateway, receiver, response)
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    until(lambda: gateway.on_phone(phone) == ["Thank you & welcome"], "the reply")

    (kept,) = _replies(gateway, line, phone)
    assert (kept["body"], kept["from"], kept["to"]) == ("Thank you & welcome", line.address, phone)


def test_every_message_with_body_media_and_status_callback_is_sent(gateway: Gateway, receiver: Receiver) -> None:
    response = MessagingResponse()
    with_media = Message(action="/states", method="POST")
    with_media.body("Look")
    with_media.media("https://example.com/cat.jpg")
    response.append(with_media)
    response.message("Second")
    line = _answering(gateway, receiver, response)
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    until(lambda: sorted(gateway.on_phone(phone)) == ["Look", "Second"], "both replies")

    states = [each.fields["MessageStatus"] for each in receiver.wait("/states", 2)]
    media = {message["body"]: (message["num_media"], message["sid"][:2]) for message in _replies(gateway, line, phone)}
    assert states == ["sent", "delivered"]
    assert media == {"Look": ("1", "MM"), "Second": ("0", "SM")}


def test_a_redirect_is_followed_relative_to_where_it_stands(gateway: Gateway, receiver: Receiver) -> None:
    response = MessagingResponse()
    response.message("First")
    response.redirect("next?page=2", method="GET")
    response.message("Never reached")
    receiver.answer("/next", "<Response><Message>Second</Message></Response>")
    line = _answering(gateway, receiver, response)
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    until(lambda: sorted(gateway.on_phone(phone)) == ["First", "Second"], "both documents' replies")

    (seen,) = receiver.seen("/next")
    assert (seen.method, seen.fields["page"], seen.fields["Body"]) == ("GET", "2", "Hello")


def test_documents_that_redirect_for_ever_send_nothing_and_end_in_the_fallback(
    gateway: Gateway, receiver: Receiver
) -> None:
    url = receiver.answer("/in", "<Response><Message>Again</Message><Redirect>/in</Redirect></Response>")
    line = gateway.install(callback_url=url, fallback_url=receiver.base + "/fallback")
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    assert receiver.wait("/fallback")[0].fields["ErrorCode"] == "14106"
    assert gateway.on_phone(phone) == []


def test_plain_text_is_a_reply_and_an_empty_answer_is_none(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install(
        callback_url=receiver.answer("/in", Answer(204, ""), "", Answer(body="Just text\n", content_type="text/plain"))
    )
    phone = line.phone()
    for number in range(3):
        gateway.say(line, phone, "Hello")
        receiver.wait("/in", number + 1)

    until(lambda: gateway.on_phone(phone) == ["Just text"], "the reply")


def test_after_a_stop_a_reply_is_refused_and_kept_as_failed(gateway: Gateway, receiver: Receiver) -> None:
    response = MessagingResponse()
    response.message("But wait, there is more", action="/states")
    line = _answering(gateway, receiver, response)
    phone = line.phone()
    gateway.say(line, phone, "STOP")

    until(lambda: _replies(gateway, line, phone), "the refused reply")
    until(lambda: gateway.on_phone(phone), "the confirmation")

    (kept,) = _replies(gateway, line, phone)
    (told,) = receiver.wait("/states")
    assert (kept["status"], kept["error_code"]) == ("failed", 21610)
    assert (told.fields["MessageStatus"], told.fields["ErrorCode"]) == ("failed", "21610")
    assert told.fields["MessageSid"] == kept["sid"]
    (confirmation,) = gateway.on_phone(phone)
    assert "unsubscribed" in confirmation


def test_a_reply_to_somebody_else_needs_their_consent(gateway: Gateway, receiver: Receiver) -> None:
    response = MessagingResponse()
    stranger = gateway.lines["sms"].phone()
    response.message("Who are you?", to=stranger)
    response.message("Told them")
    line = _answering(gateway, receiver, response)
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    until(lambda: gateway.on_phone(phone) == ["Told them"], "the reply")

    assert [message["error_code"] for message in _replies(gateway, line, stranger)] == [21610]
    assert gateway.on_phone(stranger) == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "localhost", "[::ffff:127.0.0.1]"]
)
async def test_a_callback_never_goes_to_a_private_place(receiver: Receiver, host: str) -> None:
    port = receiver.base.rpartition(":")[2]
    http = HttpClient(allow_private=False)
    try:
        with pytest.raises(FetchFailed) as refused:
            await fetch(http, Target(f"http://{host}:{port}/in#rc=0", "POST", "token", "id"), [("Body", "x")])
    finally:
        await http.close()

    assert refused.value.code == 11210
    assert receiver.seen("/in") == []
