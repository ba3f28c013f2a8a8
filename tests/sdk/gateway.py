"""A running gateway as its customers see it: a base URL, credentials, simulated senders, and phones to answer from."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

_T = TypeVar("_T")
_numbers = itertools.count(1000)
_PREFIX = {"sms": "+1415666", "whatsapp": "whatsapp:+1415777", "messenger": "messenger:9415888"}
_OURS = {"sms": "+1500666", "whatsapp": "whatsapp:+1500777", "messenger": "messenger:7500888"}


def until(look: Callable[[], _T], what: str, *, within_s: float = 15.0) -> _T:
    """Look again and again until something true is seen; fail with words when time is up."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_s} s for {what}; saw {found!r}")
        time.sleep(0.02)


@dataclass(frozen=True)
class Line:
    """An installed simulator sender."""

    sid: str
    address: str
    channel: str

    def phone(self) -> str:
        """Give a fresh person's address on the same channel."""
        return f"{_PREFIX[self.channel]}{next(_numbers):04d}"


@dataclass
class Gateway:
    """The gateway."""

    base_url: str
    account_sid: str
    auth_token: str
    lines: dict[str, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open a connection for our own routes."""
        self.http = httpx.Client(
            base_url=self.base_url, auth=(self.account_sid, self.auth_token), timeout=20, trust_env=False
        )

    def post(self, path: str, body: Any) -> Any:
        """Post JSON to one of our own routes; anything but success fails."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def install(self, channel: str = "sms", **changes: Any) -> Line:
        """Install a simulator sender."""
        address = f"{_OURS[channel]}{next(_numbers):04d}"
        made = self.post("/v1/senders/", {"channel": channel, "provider": "simulator", "address": address, **changes})
        return Line(made["sid"], made["address"], channel)

    def change(self, line: Line, **changes: Any) -> None:
        """Change a sender, and wait until the gateway has answered."""
        answer = self.http.patch(f"/v1/senders/{line.sid}", json=changes)
        assert answer.is_success, answer.text

    def opted_in(self, line: Line, purpose: str = "marketing") -> str:
        """Give a fresh phone with an evidenced opt-in."""
        phone = line.phone()
        self.grant(phone, purpose)
        return phone

    def grant(self, phone: str, purpose: str = "marketing") -> None:
        """Record an opt-in with evidence."""
        self.post(
            "/v1/consents/",
            {
                "address": phone,
                "event": "grant.explicit",
                "purpose": purpose,
                "source": "web_form",
                "evidence": {"words": "I agree"},
            },
        )

    def say(self, line: Line, phone: str, text: str) -> None:
        """Let a person write to a sender; the signal is acknowledged when this returns."""
        self.post("/v1/simulator/inbound", {"sender": line.sid, "from": phone, "text": text})

    def on_phone(self, phone: str) -> list[str]:
        """Give the words that a phone has received."""
        answer = self.http.get(f"/v1/simulator/phones/{phone}")
        return [message["body"] for message in answer.json()["messages"]]

    def messages(self, **filters: str) -> list[dict[str, Any]]:
        """List messages as Twilio's API shows them."""
        answer = self.http.get(f"/2010-04-01/Accounts/{self.account_sid}/Messages.json", params=filters)
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    def send(self, line: Line, phone: str, body: str = "Hello", **more: str) -> dict[str, Any]:
        """Send a message over Twilio's route."""
        answer = self.http.post(
            f"/2010-04-01/Accounts/{self.account_sid}/Messages.json",
            data={"From": line.address, "To": phone, "Body": body, **more},
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def status(self, sid: str) -> str:
        """Give the state of a message."""
        answer = self.http.get(f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}.json")
        return str(answer.json()["status"])
