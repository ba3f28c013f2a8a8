"""`/v1/senders`: installed, changed and paused over HTTP; secrets go in and never come out."""

from typing import Any

from tests.build import a_grant, a_phone
from tests.eventually import eventually
from tests.web.conftest import Api

_TWILIO = {"account_sid": "AC" + "a" * 32, "auth_token": "very-secret-token"}
_SENDER = {"channel": "sms", "provider": "twilio", "address": "+15005551234", "configuration": _TWILIO}


async def test_an_installed_sender_names_the_webhook_that_the_platform_must_call(api: Api) -> None:
    answer = await api.post("/v1/senders/", {**_SENDER, "friendly_name": "Shop", "rate_per_s": 10})

    made = answer.json()
    assert answer.status_code == 201
    assert made["sid"].startswith("XE")
    assert made["webhook_url"] == f"{api.ports.base_url}/webhooks/twilio/{made['sid']}"
    assert (made["status"], made["friendly_name"], made["rate_per_s"]) == ("active", "Shop", 10)
    assert (await api.http.get(f"/v1/senders/{made['sid']}")).json() == made
    assert (await api.http.get("/v1/senders/")).json() == {"senders": [made]}


async def test_the_same_address_twice_is_a_conflict(api: Api) -> None:
    first = await api.post("/v1/senders/", _SENDER)
    again = await api.post("/v1/senders/", {**_SENDER, "provider": "simulator", "configuration": {}})

    assert (first.status_code, again.status_code) == (201, 409)
    assert again.json()["type"] == "urn:consentry:problem:conflict"


async def test_secrets_are_never_shown_nor_stored_in_the_clear(api: Api) -> None:
    made = await api.post("/v1/senders/", _SENDER)
    sid = made.json()["sid"]
    shown = [made, await api.http.get("/v1/senders/"), await api.http.get(f"/v1/senders/{sid}")]
    shown.append(await api.http.patch(f"/v1/senders/{sid}", json={"configuration": {"opt_out_replies": "vendor"}}))
    shown.append(await api.post("/v1/senders/", {**_SENDER, "configuration": {**_TWILIO, "account_sid": 7}}))

    assert [answer.status_code for answer in shown] == [201, 200, 200, 200, 400]
    assert not [answer for answer in shown if "very-secret-token" in answer.text]
    assert set(shown[3].json()["configuration"]) >= {"account_sid", "auth_token", "opt_out_replies"}
    (row,) = await api.rows("select * from sender")
    assert b"very-secret-token" not in row["configuration_sealed"]
    assert not [value for value in row.values() if isinstance(value, str) and "very-secret-token" in value]


async def test_a_change_of_one_setting_keeps_the_others(api: Api) -> None:
    first = {**_SENDER, "callback_url": "https://example.com/in", "rate_per_s": 5}
    sid = (await api.post("/v1/senders/", first)).json()["sid"]

    changed = (await api.http.patch(f"/v1/senders/{sid}", json={"callback_method": "GET"})).json()
    cleared = (await api.http.patch(f"/v1/senders/{sid}", json={"callback_url": None, "rate_per_s": None})).json()

    assert (changed["callback_url"], changed["callback_method"]) == ("https://example.com/in", "GET")
    assert (cleared["callback_url"], cleared["callback_method"], cleared["rate_per_s"]) == (None, "GET", None)


async def test_after_a_pause_nothing_is_handed_off_until_it_is_lifted(api: Api) -> None:
    sender, phone = await api.a_sender(), a_phone()
    await a_grant(api.ports, api.principal, phone)
    paused = (await api.http.patch(f"/v1/senders/{sender.sid}", json={"paused": True})).json()
    made = await api.post("/v1/messages", {"to": phone, "from": sender.sid, "body": "x", "purpose": "marketing"})

    await api.process.dispatcher.run_once()
    assert (paused["status"], made.status_code) == ("paused", 201)
    assert await api.count("attempt") == 0
    await api.http.patch(f"/v1/senders/{sender.sid}", json={"paused": False})

    async def delivered() -> bool | None:
        return await api.count("simulator_message") == 1 or None

    assert await eventually(delivered)


async def test_unknown_keys_and_wrong_values_are_refused_by_name(api: Api) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"provider": "nobody"}, "provider"),
        ({"channel": "telegram"}, "channel"),
        ({"address": "nonsense number"}, "address"),
        ({"configuration": {}}, "configuration"),
        ({"configuration": {**_TWILIO, "colour": "red"}}, "configuration"),
        ({"callback_url": "/relative"}, "callback_url"),
        ({"fallback_url": "ftp://example.com/"}, "fallback_url"),
        ({"status_callback_url": "http://under_score.example/"}, "status_callback_url"),
        ({"callback_url": "http://example.com:0/"}, "callback_url"),
        ({"callback_url": "http://exa mple.com/"}, "callback_url"),
        ({"callback_url": "https://example.com/" + "x" * 4000}, "callback_url"),
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_per_s": -1}, "rate_per_s"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"friendly_name": "a\0b"}, "friendly_name"),
    ]
    for changed, field in cases:
        answer = await api.post("/v1/senders/", {**_SENDER, **changed})
        assert (answer.status_code, answer.json().get("field")) == (400, field), changed
    for changed in ({"colour": "red"}, {"callback_method": "PUT"}, {"channel": "pigeon"}, {"paused": "yes"}):
        answer = await api.post("/v1/senders/", {**_SENDER, **changed})
        assert answer.status_code == 400
        assert next(iter(changed)) in answer.json()["detail"]
    assert (await api.http.get("/v1/senders/")).json() == {"senders": []}


async def test_what_a_sender_is_cannot_be_changed(api: Api) -> None:
    sender = await api.a_sender()

    for changed in ({"address": "+15005550000"}, {"provider": "twilio"}, {"sid": "XE"}, {"account_sid": "AC"}):
        assert (await api.http.patch(f"/v1/senders/{sender.sid}", json=changed)).status_code == 400
