"""The story that `consentry demo` plays against a running gateway; each step says whether it was as it should be."""

import http.client
import random
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import msgspec

from consentry.cli.caller import Call, Caller, until

SMS_FROM: Final = "+15005550006"
WHATSAPP_FROM: Final = "whatsapp:+15005550006"
_OPTED_OUT: Final = 21610
_TEXT: Final = "Tonight: two for one"
_TRIES: Final = 50
_BROKEN: Final = (OSError, LookupError, TypeError, ValueError, http.client.HTTPException)


class NotSo(Exception):
    """Something was not as it should be; the text says what."""


class Step(msgspec.Struct, frozen=True):
    """One step: what it shows, whether it was so, and the calls that were made for it."""

    name: str
    title: str
    ok: bool
    detail: str
    calls: list[Call]


class Story:
    """A person with one phone, two channels, and a mind of their own."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._at_stop = 0
        self.phone = ""

    def play(self, tell: Callable[[Step], None]) -> list[Step]:
        """Play every step, and tell each when it is done; without its senders the story cannot go on."""
        steps: list[Step] = []
        for name, title, act in _STEPS:
            step = self._play(name, title, act)
            steps.append(step)
            tell(step)
            if name == "set_up" and not step.ok:
                break
        return steps

    @property
    def whatsapp(self) -> str:
        """The same person on WhatsApp."""
        return f"whatsapp:{self.phone}"

    def _play(self, name: str, title: str, act: "Callable[[Story], str]") -> Step:
        try:
            ok, detail = True, act(self)
        except NotSo as error:
            ok, detail = False, str(error)
        except _BROKEN as error:
            ok, detail = False, f"the answer was not understood ({type(error).__name__}: {error})"
        return Step(name, title, ok, detail, self._caller.taken())

    def set_up(self) -> str:
        """Install both senders, choose a number nobody has spoken of, and let it opt in on WhatsApp."""
        self._install("sms", SMS_FROM)
        self._install("whatsapp", WHATSAPP_FROM)
        self.phone = self._fresh_phone()
        self._grant(self.whatsapp)
        return f"{self.phone} has opted in on WhatsApp, and has said nothing about text messages"

    def send_without_opt_in(self) -> str:
        """Send to somebody who never said yes."""
        self._refused()
        return "refused with error 21610; nothing reached the phone"

    def opt_in(self) -> str:
        """Record the yes of a web form, with what the person saw."""
        self._grant(self.phone)
        return "recorded in the ledger, with its evidence"

    def send(self) -> str:
        """Send again: now it arrives."""
        return self._delivered(SMS_FROM, self.phone)

    def stop(self) -> str:
        """Let the phone answer STOP."""
        self._at_stop = len(self._shown(self.phone))
        call = self._caller.post("/v1/simulator/inbound", {"sender": SMS_FROM, "from": self.phone, "text": "STOP"})
        _expect(call.status == http.client.OK, f"the STOP was answered {call.status}, not 200")
        return "acknowledged; from here on nothing may be sent to this number"

    def confirmation(self) -> str:
        """Look at the phone: the one confirmation that a STOP may have."""
        path = _phone(self.phone)
        call = until(lambda: self._caller.get(path), lambda c: len(c.received["messages"]) > self._at_stop)
        fresh = call.received["messages"][self._at_stop :]
        _expect(len(fresh) == 1, f"{len(fresh)} messages came after the STOP, not one confirmation")
        _expect("unsubscribed" in fresh[0]["body"], f"what came is no confirmation: {fresh[0]['body']!r}")
        return f"the phone shows: {fresh[0]['body']}"

    def send_after_stop(self) -> str:
        """Send once more to the number that said STOP."""
        self._refused()
        return "refused with error 21610; nothing reached the phone"

    def other_channel(self) -> str:
        """Write to the same person on the channel they have not closed."""
        return self._delivered(WHATSAPP_FROM, self.whatsapp)

    def history(self) -> str:
        """Read what is known of the number, and why."""
        received = self._caller.get(_consents(self.phone)).received
        events = [record["event"] for record in received["history"]]
        _expect(events == ["grant.explicit", "revoke.keyword"], f"the ledger holds {events}")
        states = [scope["state"] for scope in received["state"]["scopes"]]
        _expect("revoked" in states and "granted" not in states, f"the number stands as {states}")
        _expect(all(record["evidence_sha256"] for record in received["history"]), "a record has no evidence")
        return "\n".join(_line(record) for record in received["history"])

    def _install(self, channel: str, address: str) -> None:
        installed = self._caller.ask("/v1/senders").received["senders"]
        if any((sender["channel"], sender["address"]) == (channel, address) for sender in installed):
            return
        call = self._caller.post("/v1/senders", {"channel": channel, "provider": "simulator", "address": address})
        _expect(call.status == http.client.CREATED, f"the sender was answered {call.status}, not 201")

    def _fresh_phone(self) -> str:
        for _ in range(_TRIES):
            phone = f"+1415555{random.randrange(10_000):04d}"  # noqa: S311 - a made-up number, no secret
            addresses = (phone, f"whatsapp:{phone}")
            if all(not self._caller.ask(_consents(address)).received["history"] for address in addresses):
                return phone
        raise NotSo("every number tried is in the ledger already; use another --data-dir")

    def _grant(self, address: str) -> None:
        evidence = {"form": "https://shop.example/join", "words": "Yes, send me offers. Reply STOP to end."}
        ask = {"address": address, "event": "grant.explicit", "purpose": "marketing", "source": "web_form"}
        call = self._caller.post("/v1/consents", {**ask, "evidence": evidence})
        _expect(call.status == http.client.CREATED, f"the opt-in was answered {call.status}, not 201")
        states = [scope["state"] for scope in call.received["state"]["scopes"]]
        _expect("granted" in states, f"after the opt-in the address stands as {states}")

    def _refused(self) -> None:
        before = len(self._shown(self.phone))
        call = self._caller.send(From=SMS_FROM, To=self.phone, Body=_TEXT)
        answer = f"{call.status} {call.received.get('code') or call.received.get('status')}"
        refused = call.status == http.client.BAD_REQUEST and call.received["code"] == _OPTED_OUT
        _expect(refused, f"it was answered {answer}, not 400 {_OPTED_OUT}: the gate let it through")
        _expect(len(self._shown(self.phone)) == before, "the phone received something")

    def _delivered(self, from_: str, to: str) -> str:
        call = self._caller.send(From=from_, To=to, Body=_TEXT)
        _expect(call.status == http.client.CREATED, f"it was answered {call.status}, not 201")
        sid = call.received["sid"]
        done = until(lambda: self._caller.message(sid), lambda c: c.received["status"] == "delivered")
        _expect(done.received["status"] == "delivered", f"the message is {done.received['status']}, not delivered")
        shown = [message["body"] for message in self._shown(to, keep=True) if message["sid"] == sid]
        _expect(shown == [_TEXT], "the phone does not show the message once")
        return f"delivered; the phone shows: {_TEXT}"

    def _shown(self, address: str, *, keep: bool = False) -> list[dict[str, Any]]:
        path = _phone(address)
        found: list[dict[str, Any]] = (self._caller.get(path) if keep else self._caller.ask(path)).received["messages"]
        return found


_STEPS: Final[tuple[tuple[str, str, Callable[[Story], str]], ...]] = (
    ("set_up", "Two senders, one person", Story.set_up),
    ("send_without_opt_in", "Send without an opt-in", Story.send_without_opt_in),
    ("opt_in", "The person opts in", Story.opt_in),
    ("send", "Send again", Story.send),
    ("stop", "The phone texts STOP", Story.stop),
    ("confirmation", "The STOP is confirmed, once", Story.confirmation),
    ("send_after_stop", "Send after the STOP", Story.send_after_stop),
    ("other_channel", "WhatsApp was not closed", Story.other_channel),
    ("history", "What the ledger says, and why", Story.history),
)


def _expect(so: bool, text: str) -> None:
    if not so:
        raise NotSo(text)


def _phone(address: str) -> str:
    return f"/v1/simulator/phones/{quote(address, safe='')}"


def _consents(address: str) -> str:
    return f"/v1/consents/{quote(address, safe='')}"


def _line(record: dict[str, Any]) -> str:
    seen = record["evidence_sha256"][:12]
    return (
        f"{record['recorded_at'][:19]}Z  {record['event']:<15} {record['channel']}, {record['purpose']}, "
        f"by {record['source']}, evidence sha256 {seen}…"
    )
