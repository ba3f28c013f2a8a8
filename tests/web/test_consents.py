"""`/v1/consents`: facts go in, one by one or many, and the same gate that guards sending answers for them."""

from typing import Any

from tests.build import a_phone
from tests.web.conftest import Api

_GRANT = {"event": "grant.explicit", "purpose": "marketing", "source": "web_form", "evidence": {"words": "I agree"}}


async def _record(api: Api, address: str, **given: Any) -> dict[str, Any]:
    answer = await api.post("/v1/consents/", {"address": address, **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _allowed(api: Api, address: str, **given: str) -> bool:
    answer = await api.post("/v1/consents/check", {"address": address, **given})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["allowed"])


async def test_a_recorded_fact_is_shown_with_the_state_after_it(api: Api) -> None:
    phone = a_phone()

    kept = await _record(api, phone, **_GRANT, occurred_at="2026-01-31T12:00:00+01:00")

    record = kept["record"]
    assert record["sid"].startswith("CR")
    assert (record["event"], record["purpose"], record["sender"]) == ("grant.explicit", "marketing", "all")
    assert record["occurred_at"] == "2026-01-31T11:00:00Z"
    assert len(record["evidence_sha256"]) == 64
    assert (kept["state"]["address"], kept["state"]["version"]) == (phone, 1)
    history = (await api.http.get(f"/v1/consents/{phone}")).json()
    assert [entry["sid"] for entry in history["history"]] == [record["sid"]]
    assert history["state"]["version"] == 1


async def test_a_check_gives_the_decision_with_its_reasons_rules_and_records(api: Api) -> None:
    phone = a_phone()
    before = (await api.post("/v1/consents/check", {"address": phone})).json()
    kept = await _record(api, phone, **_GRANT)
    after = (await api.post("/v1/consents/check", {"address": phone})).json()

    assert (before["allowed"], before["decision"]) == (False, "refuse")
    assert [reason["code"] for reason in before["reasons"]] == ["NO_CONSENT"]
    assert (after["allowed"], after["reasons"]) == (True, [])
    assert after["records"] == [kept["record"]["sid"]]
    assert after["rules"]
    assert after["policy"]


async def test_many_checks_are_answered_in_order_each_for_itself(api: Api) -> None:
    yes, no = a_phone(), a_phone()
    await _record(api, yes, **_GRANT)
    items = [{"address": yes}, {"address": no}, {"address": "nonsense"}, {"address": yes, "purpose": "nonsense"}]

    answer = await api.post("/v1/consents/check", {"items": items})

    found = answer.json()["items"]
    assert [item["allowed"] for item in found] == [True, False, False, False]
    assert [item.get("error", {}).get("field") for item in found] == [None, None, "address", "purpose"]


async def test_bulk_gives_every_item_its_own_result(api: Api) -> None:
    good, other = a_phone(), a_phone()
    items: list[Any] = [
        {"address": good, **_GRANT},
        {"address": "nonsense", **_GRANT},
        {"address": other, "event": "no.such.event"},
        {"address": other, "event": "revoke.preference", "colour": "red"},
        {"event": "revoke.preference"},
        {"address": other, "event": "revoke.preference", "occurred_at": "0001-01-01T00:00:00+14:00"},
        {"address": other, "event": "revoke.preference"},
    ]

    answer = (await api.post("/v1/consents/bulk", {"items": items})).json()

    assert [item["status"] for item in answer["items"]] == [201, 400, 400, 400, 400, 400, 201]
    assert (answer["recorded"], answer["failed"]) == (2, 5)
    assert answer["items"][1]["error"]["field"] == "address"
    assert answer["items"][2]["error"]["field"] == "event"
    assert await _allowed(api, good)
    assert await api.events(other) == ["revoke.preference"]


async def test_bulk_takes_ten_thousand_and_no_more(api: Api) -> None:
    phone = a_phone()
    item = {"address": phone, "event": "grant.implicit", "purpose": "conversational"}

    full = await api.post("/v1/consents/bulk", {"items": [item] * 10_000})
    over = await api.post("/v1/consents/bulk", {"items": [item] * 10_001})

    assert (full.status_code, full.json()["recorded"]) == (200, 10_000)
    assert (over.status_code, over.json()["field"]) == (413, "items")


async def test_a_mistake_names_its_field(api: Api) -> None:
    phone = a_phone()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"address": "nonsense"}, "address"),
        ({"event": "no.such.event"}, "event"),
        ({"event": "restore.unblocked"}, "event"),
        ({"event": "provider_block.cleared"}, "event"),
        ({"purpose": "no-such-purpose"}, "purpose"),
        ({"purpose": "revocation_confirmation"}, "purpose"),
        ({"sender": "XE" + "0" * 32}, "sender"),
        ({"source": ""}, "source"),
        ({"occurred_at": "2026-01-31T12:00:00"}, "occurred_at"),
        ({"occurred_at": "2999-01-31T12:00:00Z"}, "occurred_at"),
    ]
    for changed, field in cases:
        answer = await api.post("/v1/consents/", {"address": phone, **_GRANT, **changed})
        assert (answer.status_code, answer.json()["field"]) == (400, field), changed
    for body in ({"address": phone}, {"address": phone, **_GRANT, "colour": "red"}):
        answer = await api.post("/v1/consents/", body)
        assert answer.status_code == 400
        assert "event" in answer.text or "colour" in answer.text
    assert await api.events(phone) == []


async def test_a_start_restores_only_what_a_stop_took(api: Api) -> None:
    sender, phone, never = await api.a_sender(), a_phone(), a_phone()
    await _record(api, phone, **_GRANT)

    for word, open_after in [("STOP", False), ("START", True)]:
        await api.post("/v1/simulator/inbound", {"sender": sender.sid, "from": phone, "text": word})
        assert await _allowed(api, phone, sender=sender.sid) is open_after
    await api.post("/v1/simulator/inbound", {"sender": sender.sid, "from": never, "text": "START"})
    await _record(api, phone, event="revoke.preference", purpose="marketing")
    await api.post("/v1/simulator/inbound", {"sender": sender.sid, "from": phone, "text": "START"})

    assert not await _allowed(api, never, sender=sender.sid)
    assert not await _allowed(api, phone, sender=sender.sid)


async def test_only_a_later_evidenced_yes_that_is_no_import_lifts_a_no(api: Api) -> None:
    phone = a_phone()
    await _record(api, phone, **_GRANT)
    await _record(api, phone, event="revoke.preference")

    for changed in ({"source": "import"}, {"source": " IMPORT "}, {"evidence": None}, {"evidence": {}}):
        await _record(api, phone, **{**_GRANT, **changed})
        assert not await _allowed(api, phone), changed
    await _record(api, phone, **_GRANT, occurred_at="2020-01-01T00:00:00Z")
    assert not await _allowed(api, phone)

    await _record(api, phone, **_GRANT)
    assert await _allowed(api, phone)


async def test_a_no_reaches_as_far_as_its_sender_and_purpose(api: Api) -> None:
    one, two, phone = await api.a_sender(), await api.a_sender(), a_phone()
    for purpose in ("marketing", "transactional"):
        await _record(api, phone, **{**_GRANT, "purpose": purpose})

    await _record(api, phone, event="revoke.preference", purpose="marketing", sender=one.sid)

    assert not await _allowed(api, phone, sender=one.sid)
    assert await _allowed(api, phone, sender=two.sid)
    assert await _allowed(api, phone, sender=one.sid, purpose="transactional")
    await _record(api, phone, event="revoke.preference", purpose="all")
    assert not await _allowed(api, phone, sender=two.sid)
    assert not await _allowed(api, phone, sender=one.sid, purpose="transactional")


async def test_a_no_on_one_channel_leaves_the_others_open(api: Api) -> None:
    phone = a_phone()
    for address in (phone, f"whatsapp:{phone}"):
        await _record(api, address, **_GRANT)

    await _record(api, phone, event="revoke.preference")

    assert not await _allowed(api, phone)
    assert not await _allowed(api, f"rcs:{phone}")
    assert await _allowed(api, f"whatsapp:{phone}")


async def test_a_repeated_request_with_one_key_is_one_record(api: Api) -> None:
    phone = a_phone()
    body = {"address": phone, **_GRANT}

    first = await api.post("/v1/consents/", body, idempotency_key="k")
    again = await api.post("/v1/consents/", body, idempotency_key="k")
    other = await api.post("/v1/consents/", {**body, "purpose": "otp"}, idempotency_key="k")

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert await api.events(phone) == ["grant.explicit"]
