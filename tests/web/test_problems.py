"""Whatever is posted, the answer is one the caller can use; nothing that comes in makes an internal error."""

import json
from typing import Any

import httpx
import pytest
from tests.build import a_phone, a_principal, a_sender
from tests.web.conftest import Api, opened

_JSON = {"content-type": "application/json"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_DEEP = b"[" * 100_000 + b"]" * 100_000
_TEXTS = ["\0", "a\0b", "\ud800", "\U0001f600" * 9, "", " ", "\u202e", "²", "1" * 5000, "x" * 100_000]
_INSTANTS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "2026-02-30", "now", ""]
_BYTES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"1e999",
    b'"x"',
    b"{}x",
    b'{"a":1}\n{"a":1}',
    b"\xff\xfe",
    b'{"to":"\xed\xa0\x80"}',
]


def _poisons(body: dict[str, Any]) -> list[bytes]:
    made = [*_BYTES, _DEEP, b'{"x":' + _DEEP + b"}"]
    for name in body:
        values: list[Any] = [*_TEXTS, *_INSTANTS, None, True, -1, 0, 1.5, 2**63, 2**70, [], {}, ["x"], {"x": "\0"}]
        made += [json.dumps({**body, name: value}).encode() for value in values]
        made.append(json.dumps({**body, name: None}).encode().replace(b"null", _DEEP))
        made.append(json.dumps({**body, name: "@@"}).encode().replace(b"@@", b"\xff"))
    return made


async def _survives(api: Api, method: str, path: str, bodies: list[bytes], headers: dict[str, str]) -> None:
    for body in bodies:
        answer = await api.http.request(method, path, content=body, headers=headers)
        assert answer.status_code < 500, f"{path} {body[:120]!r}: {answer.status_code} {answer.text[:200]}"


async def test_poisoned_bodies_are_never_an_internal_error_on_our_own_routes(api: Api) -> None:
    sender, phone = await api.a_sender(), a_phone()
    message = {
        "to": phone,
        "from": sender.address,
        "body": "Hi",
        "purpose": "marketing",
        "media_urls": ["https://example.com/x"],
        "status_callback": "https://example.com/s",
        "validity_s": 60,
    }
    consent = {
        "address": phone,
        "event": "grant.explicit",
        "purpose": "marketing",
        "sender": sender.sid,
        "source": "form",
        "occurred_at": "2026-01-01T00:00:00Z",
        "evidence": {"x": 1},
    }
    check = {"address": phone, "purpose": "marketing", "sender": sender.sid}
    routes: list[tuple[str, dict[str, Any]]] = [
        ("/v1/messages", message),
        ("/v1/messages/", message),
        ("/v1/consents/", consent),
        ("/v1/consents/check", check),
        ("/v1/simulator/inbound", {"sender": sender.sid, "from": phone, "type": "text", "text": "Hi"}),
        (f"/v1/simulator/phones/{phone}", {"sender": sender.sid, "script": [{"delay_s": 0}]}),
    ]
    for path, body in routes:
        await _survives(api, "POST", path, _poisons(body), _JSON)
    for path, body in [("/v1/messages/bulk", message), ("/v1/consents/bulk", consent), ("/v1/consents/check", check)]:
        items = [b'{"items":[' + poison + b"]}" for poison in _poisons(body)]
        await _survives(api, "POST", path, [*_BYTES, b'{"items":null}', b'{"items":[]}', *items], _JSON)


async def test_poisoned_bodies_are_never_an_internal_error_for_senders(api: Api) -> None:
    sender = await api.a_sender()
    body = {
        "channel": "sms",
        "provider": "simulator",
        "address": "+15005559999",
        "friendly_name": "x",
        "configuration": {"secret": "x"},
        "callback_url": "https://example.com/",
        "callback_method": "POST",
        "rate_per_s": 1.0,
        "max_in_flight": 1,
        "paused": False,
    }
    changes = {name: value for name, value in body.items() if name not in {"channel", "provider", "address"}}

    await _survives(api, "POST", "/v1/senders/", _poisons(body), _JSON)
    await _survives(api, "PATCH", f"/v1/senders/{sender.sid}", _poisons(changes), _JSON)


async def test_poisoned_forms_are_never_an_internal_error_on_twilios_routes(api: Api) -> None:
    sender, phone = await api.a_sender(), a_phone()
    path = f"/2010-04-01/Accounts/{api.principal.account.sid}/Messages"
    good = {b"To": phone.encode(), b"From": sender.address.encode(), b"Body": b"Hi"}
    names = [*good, b"MediaUrl", b"StatusCallback", b"ValidityPeriod", b"MessageIntent", b"ContentSid", b"\xff"]
    values = [
        b"%00",
        b"%FF%FE",
        b"%ED%A0%80",
        b"%",
        b"%zz",
        b"",
        b"%C2%B2",
        b"9" * 5000,
        b"x" * 20_000,
        b"http://[",
        b"a%0D%0Ab",
    ]
    bodies = [_form({**good, name: value}) for name in names for value in values] + [b"&&&", b"=", b"\0", b"{}"]

    await _survives(api, "POST", f"{path}.json", bodies, _FORM)
    await _survives(api, "POST", f"{path}.json", bodies[:20], {"content-type": "multipart/form-data; boundary=x"})
    await _survives(api, "POST", f"{path}.json", bodies[:20], _JSON)
    await _survives(api, "POST", f"{path}/SM{'0' * 32}.json", bodies[:20], _FORM)


async def test_poisoned_queries_and_paths_are_never_an_internal_error(api: Api) -> None:
    base = f"/2010-04-01/Accounts/{api.principal.account.sid}/Messages.json"
    values = ["²", "9" * 5000, "-1", "0", "%00", "%FF", "0001-01-01", "9999-12-31", "0001-01-01T00:00:00%2B1400", "x"]
    values += ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-1400", f"PASM{'f' * 32}", "PASM", "%F0%9F%98%80"]
    names = ["Page", "PageSize", "PageToken", "To", "From", "DateSent", "DateSent%3E", "DateSent%3C", "Nonsense"]
    for name in names:
        for value in values:
            answer = await api.http.get(f"{base}?{name}={value}")
            assert answer.status_code in {200, 400}, f"{name}={value}: {answer.status_code}"
    for path in ("/v1/consents/", "/v1/messages/", "/v1/senders/", "/v1/simulator/phones/", "/webhooks/twilio/"):
        for value in ["%00", "%FF", "%ED%A0%80", "²", "x" * 5000, "+1415555%0A0000", "%2e%2e"]:
            answer = await api.http.get(path + value)
            assert answer.status_code < 500, f"{path}{value}: {answer.status_code}"


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic gA==", "Bearer x", "Basic QUM6", "\xff"])
async def test_bad_credentials_are_401_in_the_words_of_each_surface(api: Api, header: str) -> None:
    headers = {"authorization": header.encode("latin-1")} if header else {}
    account = f"/2010-04-01/Accounts/{api.principal.account.sid}/Messages.json"

    ours = [await api.stranger.get("/v1/senders/", headers=headers)]
    ours += [await api.stranger.post(path, headers=headers, json={}) for path in ("/v1/messages", "/v1/consents/check")]
    theirs = [
        await api.stranger.get(account, headers=headers),
        await api.stranger.post(account, headers=headers, data={}),
    ]

    for answer in ours:
        _is_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic")
    for answer in theirs:
        _is_envelope(answer, 401, 20003)
        assert answer.json()["detail"] == "Your AccountSid or AuthToken was incorrect."


async def test_unknown_paths_methods_and_types_have_the_shape_of_their_surface(api: Api) -> None:
    account = f"/2010-04-01/Accounts/{api.principal.account.sid}"

    _is_problem(await api.http.get("/v1/nothing"), 404)
    _is_problem(await api.http.delete("/v1/senders/"), 405)
    _is_problem(await api.http.post("/v1/consents/", content=b"<x/>", headers={"content-type": "text/xml"}), 400)
    _is_problem(await api.http.post("/v1/consents/", content=b"x" * 1_100_000, headers=_JSON), 413)
    _is_problem(await api.http.post("/v1/messages", content=b"x" * 300_000, headers=_JSON), 413)
    _is_problem(await api.http.post("/v1/senders/", content=b"x" * 300_000, headers=_JSON), 413)
    _is_envelope(await api.http.get(f"{account}/Nothing.json"), 404, 20404)
    _is_envelope(await api.http.get(f"{account}/Messages/SM{'0' * 32}.json"), 404, 20404)
    _is_envelope(await api.http.put(f"{account}/Messages.json"), 405, 20004)
    _is_envelope(await api.http.post(f"{account}/Messages.json", content=b"x" * 300_000, headers=_FORM), 413, 20422)


async def test_what_belongs_to_another_account_is_not_there(api: Api) -> None:
    other = await a_principal(api.ports)
    theirs, phone = await a_sender(api.ports, other), a_phone()
    async with opened(api.process, other) as http:
        made = await http.post("/v1/messages", json={"to": phone, "from": theirs.sid, "body": "x"})
    sid, account = made.json()["sid"], api.principal.account.sid
    mine = await api.a_sender()

    _is_problem(await api.http.get(f"/v1/messages/{sid}"), 404)
    _is_problem(await api.http.get(f"/v1/senders/{theirs.sid}"), 404)
    _is_problem(await api.http.patch(f"/v1/senders/{theirs.sid}", json={"paused": True}), 404)
    _is_problem(await api.post("/v1/messages", {"to": phone, "from": theirs.sid, "body": "x"}), 400)
    _is_problem(await api.post("/v1/messages", {"to": phone, "from": theirs.address, "body": "x"}), 400)
    _is_problem(
        await api.post("/v1/consents/", {"address": phone, "event": "revoke.keyword", "sender": theirs.sid}), 400
    )
    _is_problem(await api.post("/v1/simulator/inbound", {"sender": theirs.sid, "from": phone, "text": "STOP"}), 404)
    _is_envelope(await api.http.get(f"/2010-04-01/Accounts/{account}/Messages/{sid}.json"), 404, 20404)
    _is_envelope(await api.http.get(f"/2010-04-01/Accounts/{other.account.sid}/Messages.json"), 404, 20404)
    form = {"To": phone, "From": mine.address, "Body": "x"}
    _is_envelope(await api.http.post(f"/2010-04-01/Accounts/{other.account.sid}/Messages.json", data=form), 404, 20404)
    assert (await api.http.get(f"/v1/consents/{phone}")).json()["history"] == []


async def test_the_openapi_document_describes_our_own_routes(api: Api) -> None:
    answer = await api.stranger.get("/schema/openapi.json")

    document = answer.json()
    assert answer.status_code == 200
    assert document["openapi"].startswith("3.1")
    assert {"/v1/messages", "/v1/consents", "/v1/senders", "/v1/consents/check"} <= {
        path.rstrip("/") for path in document["paths"]
    }
    assert document["components"]["securitySchemes"]["basic"]["scheme"] == "basic"
    assert not [path for path in document["paths"] if path.startswith(("/2010-04-01", "/webhooks"))]


def _form(fields: dict[bytes, bytes]) -> bytes:
    return b"&".join(name + b"=" + value for name, value in fields.items()).replace(b"+", b"%2B")


def _is_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:consentry:problem:")
    assert body["title"]
    assert body["detail"]


def _is_envelope(answer: httpx.Response, status: int, code: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["message"]
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
