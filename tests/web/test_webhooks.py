"""Platforms post here: a genuine signal is recorded once and answered 200, everything else changes nothing."""

import asyncio
import hashlib
from urllib.parse import urlencode

import httpx
from tests.build import a_grant, a_phone
from tests.web.conftest import Api
from twilio.request_validator import RequestValidator

from consentry.kernel import signature
from consentry.kernel.address import Channel
from consentry.kernel.directory import Sender

_TOKEN = "f" * 32
_CONFIGURATION = {"account_sid": "AC" + "a" * 32, "auth_token": _TOKEN}
_FORM = "application/x-www-form-urlencoded"


async def _twilio(api: Api, **given: str) -> Sender:
    return await api.a_sender(provider="twilio", configuration=_CONFIGURATION, **given)


def _fields(sender: Sender, phone: str, text: str = "STOP", sid: str = "1", **more: str) -> dict[str, str]:
    given = {
        "MessageSid": "SM" + hashlib.md5(sid.encode()).hexdigest(),
        "AccountSid": "AC" + "a" * 32,
        "From": phone,
        "To": sender.address,
        "Body": text,
        "SmsStatus": "received",
        "NumMedia": "0",
    }
    return {**given, **more}


def _url(api: Api, sender: Sender, query: str = "") -> str:
    return f"{api.ports.base_url}/webhooks/twilio/{sender.sid}{query}"


async def _post(api: Api, sender: Sender, fields: dict[str, str], **more: str) -> httpx.Response:
    url = _url(api, sender, more.get("query", ""))
    signed = RequestValidator(more.get("token", _TOKEN)).compute_signature(url, fields)
    headers = {"x-twilio-signature": signed, "content-type": _FORM}
    return await api.stranger.post(url, content=urlencode(fields), headers=headers)


async def _post_raw(api: Api, sender: Sender, body: bytes, kind: str = _FORM) -> httpx.Response:
    url = _url(api, sender)
    headers = {"x-twilio-signature": signature.sign(_TOKEN, url, signature.form_pairs(body)), "content-type": kind}
    return await api.stranger.post(url, content=body, headers=headers)


async def test_a_genuine_stop_is_recorded_once_and_not_answered_by_us(api: Api) -> None:
    for number, marker in enumerate([{}, {"OptOutType": "STOP"}]):
        sender, phone = await _twilio(api), a_phone()
        await a_grant(api.ports, api.principal, phone)

        answer = await _post(api, sender, _fields(sender, phone, sid=str(number), **marker))

        assert (answer.status_code, answer.content) == (200, b"")
        assert await api.events(phone) == ["grant.explicit", "revoke.keyword"]
    assert await api.rows("select 1 from message where direction <> 'inbound'") == []


async def test_the_vendors_word_is_trusted_over_our_own_reading(api: Api) -> None:
    sender, phone = await _twilio(api), a_phone()

    await _post(api, sender, _fields(sender, phone, "Basta ya", OptOutType="STOP"))
    await _post(api, sender, _fields(sender, phone, "De nuevo", sid="2", OptOutType="START"))
    await _post(api, sender, _fields(sender, phone, "Ayuda", sid="3", OptOutType="HELP"))

    assert await api.events(phone) == ["revoke.keyword", "restore.resume", "help.requested"]


async def test_a_whatsapp_stop_through_twilio_is_answered_by_us(api: Api) -> None:
    sender = await _twilio(api, channel=Channel.whatsapp, address="whatsapp:+15005550777")
    phone = f"whatsapp:{a_phone()}"

    await _post(api, sender, _fields(sender, phone, ProfileName="Jane", WaId="1415"))

    rows = await api.rows("select purpose from message where direction = 'outbound-system'")
    assert [row["purpose"] for row in rows] == ["revocation_confirmation"]


async def test_without_the_right_signature_nothing_is_recorded(api: Api) -> None:
    sender, phone = await _twilio(api), a_phone()
    body = urlencode(_fields(sender, phone))
    missing = await api.stranger.post(_url(api, sender), content=body, headers={"content-type": _FORM})
    answers = [missing]
    for given in ("", "x", "\xe9", "\xff\xfe", "A" * 5000, "AAAA="):
        headers = {"x-twilio-signature": given.encode("latin-1"), "content-type": _FORM.encode()}
        answers.append(await api.stranger.post(_url(api, sender), content=body, headers=headers))

    assert [answer.status_code for answer in answers] == [401] * 7
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert await api.events(phone) == []
    assert await api.count("quarantine") + await api.count("signal_receipt") == 0


async def test_a_signature_of_another_token_url_or_body_is_refused(api: Api) -> None:
    sender, other, phone = await _twilio(api), await _twilio(api), a_phone()
    fields = _fields(sender, phone)
    validator = RequestValidator(_TOKEN)
    good = validator.compute_signature(_url(api, sender), fields)

    wrong = [
        await _post(api, sender, fields, token="0" * 32),
        await api.stranger.post(_url(api, other), data=fields, headers={"x-twilio-signature": good}),
        await api.stranger.post(_url(api, sender, "?a=1"), data=fields, headers={"x-twilio-signature": good}),
        await api.stranger.post(_url(api, sender), data=fields | {"Body": "x"}, headers={"x-twilio-signature": good}),
    ]

    assert [answer.status_code for answer in wrong] == [401] * 4
    assert await api.events(phone) == []


async def test_an_unknown_sender_or_provider_is_404(api: Api) -> None:
    sender = await _twilio(api)

    for path in (f"twilio/XE{'0' * 32}", f"simulator/{sender.sid}", f"nobody/{sender.sid}", "twilio/%00"):
        assert (await api.stranger.post(f"/webhooks/{path}", data={"Body": "STOP"})).status_code == 404


async def test_a_get_webhook_and_one_with_a_query_are_verified_as_well(api: Api) -> None:
    sender, phone, other = await _twilio(api), a_phone(), a_phone()
    url = _url(api, sender, "?" + urlencode(_fields(sender, phone)))
    headers = {"x-twilio-signature": RequestValidator(_TOKEN).compute_signature(url, {})}

    assert (await api.stranger.get(url, headers=headers)).status_code == 200
    assert (await _post(api, sender, _fields(sender, other, sid="2"), query="?shop=1&x=%2B")).status_code == 200
    assert (await api.events(phone), await api.events(other)) == (["revoke.keyword"], ["revoke.keyword"])


async def test_fifty_deliveries_of_one_stop_at_once_are_one_record_and_all_answered(api: Api) -> None:
    sender, phone = await _twilio(api), a_phone()
    fields = _fields(sender, phone)

    answers = await asyncio.gather(*(_post(api, sender, fields) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert await api.events(phone) == ["revoke.keyword"]
    assert (await api.rows("select deliveries from signal_receipt"))[0]["deliveries"] == 50
    assert await api.count("message") == 1


async def test_a_stop_in_a_poisoned_body_is_still_recorded(api: Api) -> None:
    sender = await _twilio(api, callback_url="http://127.0.0.1:1/#rc=0")
    poisons = [b"%00", b"a%00b", b"%FF%FE", b"%ED%A0%80", b"%F0%9F", b"%zz", b"x" * 60_000]
    for name in (b"ProfileName", b"MessageSid", b"MediaUrl0", b"OptOutType", b"ButtonText", b"%00"):
        for poison in poisons:
            phone = a_phone()
            fields = _fields(sender, phone, sid=phone, NumMedia="1")
            fields.pop(name.decode(), None)

            answer = await _post_raw(api, sender, urlencode(fields).encode() + b"&" + name + b"=" + poison)

            assert answer.status_code == 200, answer.text
            assert await api.events(phone) == ["revoke.keyword"], (name, poison)


async def test_a_stop_with_rubbish_around_it_is_still_a_stop(api: Api) -> None:
    sender = await _twilio(api)
    for body in (
        b"STOP%00",
        b"%00STOP%00",
        b"STOP%ED%A0%80",
        b"%EF%BB%BFSTOP",
        b"STOP%E2%80%8B",
        b"STOP%FF",
        b"%0aStop.%09",
    ):
        phone = a_phone()
        fields = _fields(sender, phone, sid=phone)
        del fields["Body"]

        answer = await _post_raw(api, sender, urlencode(fields).encode() + b"&Body=" + body)

        assert answer.status_code == 200
        assert await api.events(phone) == ["revoke.keyword"], body


async def test_a_body_that_is_too_large_is_413_and_a_deep_one_is_no_error_of_ours(api: Api) -> None:
    sender, simulated = await _twilio(api), await api.a_sender()

    large = await _post_raw(api, sender, b"Body=" + b"x" * 1_000_000)
    deep = await _post_raw(api, sender, b"[" * 100_000 + b"]" * 100_000, "application/json")
    unsigned = await api.stranger.post(f"/webhooks/simulator/{simulated.sid}", content=b"[" * 100_000)

    assert (large.status_code, deep.status_code, unsigned.status_code) == (413, 200, 401)


async def test_a_genuine_body_that_cannot_be_read_is_kept_and_acknowledged(api: Api) -> None:
    sender = await _twilio(api)
    bodies = [
        b"",
        b"{}",
        b"MessageStatus=exploded&MessageSid=SM1",
        b"From=nobody&SmsStatus=received&MessageSid=SM1",
        b"From=%00&SmsStatus=received&MessageSid=SM1",
    ]

    answers = [await _post_raw(api, sender, body) for body in bodies]

    kept = await api.rows("select body, provider, error from quarantine order by quarantine_id")
    assert [answer.status_code for answer in answers] == [200] * 5
    assert sorted(row["body"] for row in kept) == sorted(bodies)
    assert all(row["error"] and row["provider"] == "twilio" for row in kept)


async def test_a_status_with_21610_fails_the_message_and_closes_the_address(api: Api) -> None:
    sender, phone = await _twilio(api), a_phone()
    await a_grant(api.ports, api.principal, phone)
    fields = {**_fields(sender, phone), "From": sender.address, "To": phone, "ErrorCode": "21610"}
    fields |= {"MessageStatus": "failed", "SmsStatus": "failed"}

    assert (await _post(api, sender, fields)).status_code == 200
    assert (await _post(api, sender, fields)).status_code == 200

    assert await api.events(phone) == ["grant.explicit", "revoke.inferred"]
    refused = await api.post("/v1/messages", {"to": phone, "from": sender.sid, "body": "x", "purpose": "marketing"})
    assert refused.status_code == 403
