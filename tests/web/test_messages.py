"""`/v1/messages`: one or many, each decided on its own; a key makes a request happen once."""

import asyncio
from typing import Any

import pytest
from tests.build import a_grant, a_phone
from tests.eventually import eventually
from tests.web.conftest import Api


async def _ready(api: Api, **given: Any) -> dict[str, Any]:
    """Give a message that may go."""
    sender, phone = await api.a_sender(**given), a_phone()
    await a_grant(api.ports, api.principal, phone)
    return {"to": phone, "from": sender.sid, "body": "Hello", "purpose": "marketing"}


async def test_an_accepted_message_shows_its_decision_and_then_its_hand_off(api: Api) -> None:
    message = await _ready(api)

    answer = await api.post("/v1/messages", message)

    made = answer.json()
    assert (answer.status_code, made["status"], made["to"]) == (201, "queued", message["to"])
    assert made["decision"]["allowed"] is True

    async def handed_off() -> dict[str, Any] | None:
        found = (await api.http.get(f"/v1/messages/{made['sid']}")).json()
        return found if found["message"]["status"] == "delivered" else None

    found = await eventually(handed_off)
    (attempt,) = found["attempts"]
    assert (attempt["number"], attempt["state"], attempt["decision"]["allowed"]) == (0, "handed_off", True)


async def test_a_refused_message_is_403_with_the_whole_decision(api: Api) -> None:
    message = {**await _ready(api), "to": a_phone()}

    answer = await api.post("/v1/messages", message)

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert (problem["type"], problem["status"], problem["code"]) == ("urn:consentry:problem:refused", 403, 21610)
    assert problem["decision"]["decision"] == "refuse"
    assert [reason["code"] for reason in problem["decision"]["reasons"]] == ["NO_CONSENT"]
    kept = (await api.http.get(f"/v1/messages/{problem['sid']}")).json()
    assert (kept["message"]["status"], kept["attempts"]) == ("refused", [])


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/"])  # the fast lane, and the ordinary one
async def test_a_mistake_names_its_field(api: Api, path: str) -> None:
    message = await _ready(api)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"to": "nonsense"}, "to"),
        ({"to": "whatsapp:+14155550000"}, "to"),
        ({"from": "+15005559999"}, "from"),
        ({"from": "XE" + "0" * 32}, "from"),
        ({"body": ""}, "body"),
        ({"body": "x" * 1601}, "body"),
        ({"body": "a\0b"}, "body"),
        ({"purpose": "help_reply"}, "purpose"),
        ({"purpose": "nonsense"}, "purpose"),
        ({"validity_s": 0}, "validity_s"),
        ({"validity_s": 36_001}, "validity_s"),
        ({"status_callback": "file:///etc/passwd"}, "status_callback"),
        ({"media_urls": ["http://under_score.example/"]}, "media_urls"),
    ]
    for changed, field in cases:
        answer = await api.post(path, {**message, **changed})
        assert (answer.status_code, answer.json()["field"]) == (400, field), changed
    unknown = await api.post(path, {**message, "colour": "red"})
    assert unknown.status_code == 400
    assert "colour" in unknown.json()["detail"]


async def test_bulk_decides_every_message_on_its_own(api: Api) -> None:
    message = await _ready(api)
    items = [message, {**message, "to": a_phone()}, {**message, "to": "nonsense"}]

    answer = (await api.post("/v1/messages/bulk", {"items": items})).json()

    assert (answer["accepted"], answer["refused"], answer["invalid"]) == (1, 1, 1)
    assert [item["status"] for item in answer["items"]] == ["queued", "refused", "invalid"]
    assert answer["items"][1]["code"] == 21610
    assert answer["items"][1]["reasons"] == ["NO_CONSENT"]
    assert answer["items"][2]["error"]["field"] == "to"


async def test_bulk_takes_ten_thousand_and_no_more(api: Api) -> None:
    message = {**await _ready(api, paused=True), "to": a_phone()}

    over = await api.post("/v1/messages/bulk", {"items": [message] * 10_001})
    full = await api.post("/v1/messages/bulk", {"items": [message] * 10_000})

    assert (over.status_code, over.json()["field"]) == (413, "items")
    assert (full.status_code, full.json()["refused"]) == (200, 10_000)
    assert await api.count("message") == 10_000


async def test_a_repeated_key_gives_the_same_bytes_and_another_body_is_422(api: Api) -> None:
    message = await _ready(api)
    for path in ("/v1/messages", "/v1/messages/"):
        first = await api.post(path, message, idempotency_key=f"key of {path}")
        again = await api.post(path, message, idempotency_key=f"key of {path}")
        other = await api.post(path, {**message, "body": "Other"}, idempotency_key=f"key of {path}")

        assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
        assert first.content == again.content
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert other.json()["type"] == "urn:consentry:problem:idempotency-key-reused"
    assert await api.count("message") == 2


async def test_a_refusal_under_a_key_is_repeated_as_it_was(api: Api) -> None:
    message = {**await _ready(api), "to": a_phone()}
    first = await api.post("/v1/messages", message, idempotency_key="k")
    await a_grant(api.ports, api.principal, message["to"])

    again = await api.post("/v1/messages", message, idempotency_key="k")

    assert (again.status_code, again.content) == (403, first.content)


async def test_a_key_that_is_empty_too_long_or_unprintable_is_400(api: Api) -> None:
    message = await _ready(api)
    for key in ("", "x" * 256, "a\tb"):
        answer = await api.post("/v1/messages", message, idempotency_key=key)
        assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key"), key
    assert await api.count("message") == 0


async def test_twenty_requests_at_once_with_one_key_are_one_message(api: Api) -> None:
    message = await _ready(api)

    answers = await asyncio.gather(*(api.post("/v1/messages", message, idempotency_key="k") for _ in range(20)))

    done = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in done}) == 1
    assert await api.count("message") == 1


async def test_twilios_route_takes_a_key_as_well(api: Api) -> None:
    message = await _ready(api)
    sender = api.ports.directory.sender_by_sid(message["from"])
    assert sender is not None
    form = {"To": message["to"], "From": sender.address, "Body": "Hello"}
    path = f"/2010-04-01/Accounts/{api.principal.account.sid}/Messages.json"

    first, again = [await api.http.post(path, data=form, headers={"idempotency-key": "k"}) for _ in range(2)]
    other = await api.http.post(path, data={**form, "Body": "x"}, headers={"idempotency-key": "k"})

    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, 20422)
    assert await api.count("message") == 1
