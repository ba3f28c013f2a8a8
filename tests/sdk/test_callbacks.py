"""What a customer's server gets: inbound messages and states in Twilio's form, signed so that its own validator agrees."""

from typing import Any

import pytest
from tests.sdk.gateway import Gateway, until
from tests.sdk.receiver import Answer, Receiver, Seen
from twilio.request_validator import RequestValidator


def _genuine(gateway: Gateway, seen: Seen, **changed: str) -> bool:
    fields: Any = {**seen.fields, **changed} if seen.method == "POST" else {}
    signature = seen.headers["x-twilio-signature"]
    return bool(RequestValidator(gateway.auth_token).validate(seen.url, fields, signature))


def test_an_inbound_message_is_posted_in_twilios_form_with_a_signature_that_twilio_accepts(
    gateway: Gateway, receiver: Receiver
) -> None:
    line = gateway.install(callback_url=receiver.base + "/in")
    phone = line.phone()
    gateway.say(line, phone, "Grüße & so: 1+1=2 ✓")

    (seen,) = receiver.wait("/in")

    assert seen.method == "POST"
    assert seen.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert (
        seen.fields.items()
        >= {
            "From": phone,
            "To": line.address,
            "Body": "Grüße & so: 1+1=2 ✓",
            "AccountSid": gateway.account_sid,
            "NumMedia": "0",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        }.items()
    )
    sid = seen.fields["MessageSid"]
    assert seen.fields["SmsSid"] == seen.fields["SmsMessageSid"] == sid
    assert gateway.status(sid) == "received"
    assert _genuine(gateway, seen)
    assert not _genuine(gateway, seen, Body="other words")


@pytest.mark.parametrize("query", ["", "?shop=1&b=2&a=3", "?name=d%C3%A9&empty=&x=%2B1#rc=2&rp=5xx"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_signature_covers_the_url_as_it_was_set_without_its_fragment(
    gateway: Gateway, receiver: Receiver, method: str, query: str
) -> None:
    line = gateway.install(callback_url=f"{receiver.base}/signed{query}", callback_method=method)
    gateway.say(line, line.phone(), "Hello there")

    (seen,) = receiver.wait("/signed")

    assert seen.method == method
    assert seen.target.startswith("/signed" + query.partition("#")[0])
    assert _genuine(gateway, seen)


def test_a_url_without_a_path_is_signed_as_the_server_sees_it(gateway: Gateway, receiver: Receiver) -> None:
    post, get = gateway.install(callback_url=receiver.base), gateway.install()
    gateway.change(get, callback_url=receiver.base + "?shop=1", callback_method="GET")
    for line in (post, get):
        gateway.say(line, line.phone(), "Hello")

    first, second = receiver.wait("/", 2)

    assert _genuine(gateway, first)
    assert _genuine(gateway, second)


@pytest.mark.parametrize(
    "text, kind", [("STOP", "STOP"), ("Unsubscribe!", "STOP"), ("start", "START"), ("info", "HELP")]
)
def test_a_keyword_is_named_in_the_callback(gateway: Gateway, receiver: Receiver, text: str, kind: str) -> None:
    line = gateway.install(callback_url=receiver.base + "/in")
    gateway.say(line, line.phone(), text)

    assert receiver.wait("/in")[0].fields["OptOutType"] == kind


def test_a_text_that_is_no_keyword_has_no_opt_out_type(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install(callback_url=receiver.base + "/in")
    gateway.say(line, line.phone(), "please stop by at 5")

    assert "OptOutType" not in receiver.wait("/in")[0].fields


def test_all_tries_of_one_event_carry_one_idempotency_token(gateway: Gateway, receiver: Receiver) -> None:
    url = receiver.answer("/in", Answer(503), Answer(503), Answer(200))
    line = gateway.install(callback_url=url + "#rc=3&rp=5xx")
    gateway.say(line, line.phone(), "One")
    tries = receiver.wait("/in", 3)
    gateway.say(line, line.phone(), "Two")
    other = receiver.wait("/in", 4)[3]

    tokens = {each.headers["i-twilio-idempotency-token"] for each in tries}
    assert len(tokens) == 1
    assert other.headers["i-twilio-idempotency-token"] not in tokens
    assert all(_genuine(gateway, each) for each in tries)


def test_without_a_retry_policy_a_server_error_is_not_tried_again_at_once(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install(callback_url=receiver.answer("/in", Answer(500)), fallback_url=receiver.base + "/fallback")
    gateway.say(line, line.phone(), "Hello")
    receiver.wait("/fallback")

    assert len(receiver.seen("/in")) == 1


@pytest.mark.parametrize(
    "answer, code",
    [
        (Answer(500), "11200"),
        (Answer(404), "11200"),
        (Answer(body="<Response><Message>", content_type="text/xml"), "12100"),
        (Answer(body="<Answer/>"), "12200"),
        (Answer(body="<Response><Dial/></Response>"), "12200"),
        (Answer(body='{"ok": true}', content_type="application/json"), "12300"),
        (Answer(body='<!DOCTYPE r [<!ENTITY a "b">]><Response>&a;</Response>'), "12100"),
        (Answer(body="<Response><Message/></Response>"), "14103"),
        (Answer(body="<Response>" + " " * 65_536 + "</Response>"), "11750"),
        (Answer(body="<Response><Redirect>http://[bad/</Redirect></Response>"), "11100"),
        (Answer(body="<Response><Redirect>http://127.0.0.1:99999/</Redirect></Response>"), "11100"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_fallback_is_called_once_with_the_error_and_the_url_that_failed(
    gateway: Gateway, receiver: Receiver, answer: Answer, code: str
) -> None:
    url = receiver.answer("/in", answer)
    fallback = receiver.answer("/fallback", "<Response><Message>From the fallback</Message></Response>")
    line = gateway.install(callback_url=url + "?a=1#rc=0", fallback_url=fallback)
    phone = line.phone()
    gateway.say(line, phone, "Hello")

    (seen,) = receiver.wait("/fallback")

    assert (seen.fields["ErrorCode"], seen.fields["ErrorUrl"]) == (code, url + "?a=1")
    assert seen.fields["Body"] == "Hello"
    assert _genuine(gateway, seen)
    until(lambda: gateway.on_phone(phone) == ["From the fallback"], "the fallback's answer")
    assert len(receiver.seen("/fallback")) == 1


def test_a_server_that_cannot_be_connected_to_leads_to_the_fallback(gateway: Gateway, receiver: Receiver) -> None:
    gone = Receiver()
    gone.close()
    line = gateway.install(callback_url=gone.base + "/in", fallback_url=receiver.base + "/fb", fallback_method="GET")
    gateway.say(line, line.phone(), "Hello")

    (seen,) = receiver.wait("/fb")

    assert seen.method == "GET"
    assert (seen.fields["ErrorCode"], seen.fields["ErrorUrl"]) == ("11205", gone.base + "/in")
    assert _genuine(gateway, seen)


def test_a_redirect_of_http_is_followed_as_a_get(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install(callback_url=receiver.answer("/in", Answer(302)), fallback_url=receiver.base + "/fb")
    gateway.say(line, line.phone(), "Hello")

    assert receiver.wait("/fb")[0].fields["ErrorCode"] == "11200"  # a redirect that names no place is no answer


def test_states_are_told_in_order_and_signed(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.lines["sms"]
    for _ in range(5):
        sid = gateway.send(line, gateway.opted_in(line), StatusCallback=receiver.base + f"/{(name := _)}")["sid"]
        seen = receiver.wait(f"/{name}", 2)
        assert [each.fields["MessageStatus"] for each in seen] == ["sent", "delivered"]
        assert [each.fields["SmsStatus"] for each in seen] == ["sent", "delivered"]
        assert {each.fields["MessageSid"] for each in seen} == {sid}
        assert all(_genuine(gateway, each) for each in seen)
        assert all(each.fields["AccountSid"] == gateway.account_sid for each in seen)


def test_the_senders_own_status_url_is_used_where_a_message_names_none(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install("whatsapp", status_callback_url=receiver.base + "/states?x=1", status_callback_method="GET")
    gateway.send(line, gateway.opted_in(line))
    gateway.send(line, gateway.opted_in(line), StatusCallback=receiver.base + "/mine")

    theirs, mine = receiver.wait("/states", 2), receiver.wait("/mine", 2)

    assert {each.method for each in theirs} == {"GET"}
    assert {each.method for each in mine} == {"POST"}
    last = theirs[-1].fields
    assert (last["ChannelInstallSid"], last["ChannelPrefix"]) == (line.sid, "whatsapp")
    assert last["ChannelToAddress"].endswith("XXXX")
    assert all(_genuine(gateway, each) for each in [*theirs, *mine])


def test_a_stop_between_accept_and_hand_off_fails_the_message_with_21610(gateway: Gateway, receiver: Receiver) -> None:
    line = gateway.install(paused=True)
    phone = gateway.opted_in(line)
    sid = gateway.send(line, phone, StatusCallback=receiver.base + "/states")["sid"]
    gateway.say(line, phone, "STOP")
    gateway.change(line, paused=False)

    (seen,) = receiver.wait("/states")

    assert seen.fields["MessageStatus"] == "failed"
    assert (seen.fields["MessageSid"], seen.fields["ErrorCode"]) == (sid, "21610")
    assert gateway.status(sid) == "failed"
    assert "Hello" not in gateway.on_phone(phone)
