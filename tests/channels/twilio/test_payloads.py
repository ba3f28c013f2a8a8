"""What Twilio really posts and answers, and what the adapter must make of it: one golden file a case."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from consentry.channels.registry import ADAPTERS
from consentry.channels.twilio import Configuration
from consentry.kernel.address import Channel
from consentry.kernel.calls import HttpReply, RawRequest
from consentry.kernel.consent import Event, Signal
from consentry.kernel.message import SIGNAL_OF_FAILURE, Inbound, Item, StatusReport
from consentry.rules.compiled import Policy
from consentry.rules.keywords import meaning
from consentry.rules.policy import load
from consentry.settings import bundled

_CASES = [json.loads(file.read_text()) for file in sorted((Path(__file__).parent / "payloads").glob("*.json"))]
_WEBHOOKS = [case for case in _CASES if case["kind"] == "webhook"]
_ANSWERS = [case for case in _CASES if case["kind"] == "send_response"]
_POLICY = Policy(load(bundled("policies")))
_POLICY_DAY = dt.date(2026, 11, 25)
_SAID = {"stop": Event.REVOKE_KEYWORD, "start": Event.RESTORE_RESUME}
_CONFIGURATION = Configuration(account_sid="AC" + "a" * 32, auth_token="made-up")


@pytest.mark.parametrize("case", _WEBHOOKS, ids=lambda case: case["id"])
def test_a_webhook_means_what_the_case_says(case: dict[str, Any]) -> None:
    http, channel = case["http"], Channel(case["channel"])
    headers = (("content-type", http["content_type"]),)
    request = RawRequest(http["method"], "https://gateway.example/webhooks/twilio/XE", headers, http["body"].encode())

    items = ADAPTERS["twilio"].parse(request, _CONFIGURATION, channel)
    found = [result for item in items for result in _results(item)]

    assert len(found) == len(case["expects"])
    for actual, expected in zip(found, case["expects"], strict=True):
        assert {key: actual.get(key) for key in expected} == expected


@pytest.mark.parametrize("case", _ANSWERS, ids=lambda case: case["id"])
def test_an_answer_to_a_send_means_what_the_case_says(case: dict[str, Any]) -> None:
    http = case["http"]

    outcome = ADAPTERS["twilio"].interpret(
        HttpReply(http["status"], (), json.dumps(http["body"]).encode()), _CONFIGURATION
    )

    failure = outcome.error_class
    signal = SIGNAL_OF_FAILURE.get(failure) if failure else None
    (expected,) = case["expects"]
    assert expected == {
        "outcome": "accepted" if outcome.accepted else "refused",
        "provider_message_id": outcome.provider_message_id,
        "error_class": failure and failure.value,
        "provider_code": outcome.provider_code,
        "ledger_event": signal and signal.value,
    }


def test_every_golden_file_is_one_of_the_two_kinds() -> None:
    assert len(_WEBHOOKS) >= 7
    assert len(_WEBHOOKS) + len(_ANSWERS) == len(_CASES)


def _results(item: Item) -> list[dict[str, Any]]:
    if isinstance(item, StatusReport):
        return [
            {
                "event": "message.status",
                "status": item.status.value,
                "provider_message_id": item.provider_message_id,
                "error_class": item.error_class and item.error_class.value,
                "provider_code": item.provider_code,
            }
        ]
    where = {"channel": str(item.channel), "address": item.address, "sender_address": item.sender_address}
    if isinstance(item, Signal):
        return [{"event": str(item.event), **where, **_signal(item.purpose, item.provider_event_id)}]
    received = {
        "event": "message.received",
        "text": item.text,
        "provider_message_id": item.provider_message_id,
        "occurred_at": item.occurred_at,
    }
    said = _meaning(item)
    if said is None:
        return [{**received, **where}]
    return [{**received, **where}, {"event": str(said), **where, **_signal("all", item.provider_message_id)}]


def _signal(purpose: str, event_id: str | None) -> dict[str, Any]:
    return {"purpose": purpose, "provider_event_id": event_id, "occurred_at": None}


def _meaning(item: Inbound) -> Event | None:
    """Read a message as the receiving flow does: the vendor's word first, then ours."""
    if item.opt_out_type:
        return _SAID.get(item.opt_out_type.lower())
    found = meaning(item.text, str(item.channel), _POLICY, _POLICY_DAY)
    return None if found is None else _SAID.get(found[0])
