"""The gateway as a developer's program sees it: a base URL and credentials. Every call is kept, to be shown."""

import base64
import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

_TIMEOUT_S: Final = 20
_PATIENCE_S: Final = 15.0
_PAUSE_S: Final = 0.05


class Call(msgspec.Struct, frozen=True):
    """One HTTP call: what was sent, and what came back."""

    method: str
    path: str
    sent: dict[str, Any]
    status: int
    received: Any


class Caller:
    """Makes calls straight to the gateway (no proxy of the environment stands between), one connection each."""

    def __init__(self, base_url: str, account_sid: str, auth_token: str) -> None:
        self.account_sid = account_sid
        self._place = urlsplit(base_url).netloc
        self._auth = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._kept: list[Call] = []

    def send(self, **fields: str) -> Call:
        """Send a message as Twilio's SDKs do."""
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        body = urlencode(fields, quote_via=quote)
        return self._keep(self._call("POST", path, fields, body, "application/x-www-form-urlencoded"))

    def message(self, sid: str) -> Call:
        """Fetch a message as Twilio's SDKs do."""
        return self.get(f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}.json")

    def post(self, path: str, document: Mapping[str, Any]) -> Call:
        """Post JSON."""
        return self._keep(self._call("POST", path, dict(document), json.dumps(document), "application/json"))

    def get(self, path: str) -> Call:
        """Get JSON; of the same question asked again and again only the last is kept."""
        call = self.ask(path)
        if self._kept and (self._kept[-1].method, self._kept[-1].path) == ("GET", path):
            self._kept.pop()
        return self._keep(call)

    def ask(self, path: str) -> Call:
        """Get JSON without keeping the call."""
        return self._call("GET", path, {}, None, None)

    def taken(self) -> list[Call]:
        """Give the calls kept since the last time."""
        kept, self._kept = self._kept, []
        return kept

    def _keep(self, call: Call) -> Call:
        self._kept.append(call)
        return call

    def _call(self, method: str, path: str, sent: dict[str, Any], body: str | None, kind: str | None) -> Call:
        headers = {"Authorization": self._auth} | ({"Content-Type": kind} if kind else {})
        connection = http.client.HTTPConnection(self._place, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Call(method, path, sent, reply.status, json.loads(reply.read() or b"null"))
        finally:
            connection.close()


def until(ask: Callable[[], Call], good: Callable[[Call], bool]) -> Call:
    """Ask again until the answer is good, or patience ends; give the last answer either way."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        call = ask()
        if good(call) or time.monotonic() > end:
            return call
        time.sleep(_PAUSE_S)
