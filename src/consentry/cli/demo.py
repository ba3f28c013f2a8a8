"""`consentry demo`: start a whole gateway in this process, play the story against it over HTTP, and leave it running."""

import itertools
import json
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from consentry.cli import output
from consentry.cli.caller import Call, Caller
from consentry.cli.logfile import logging_to
from consentry.cli.serve import Background
from consentry.cli.story import SMS_FROM, WHATSAPP_FROM, Step, Story
from consentry.embedded.folder import Folder
from consentry.settings import Settings

_LONGEST: Final = 110
_WORTH_SHOWING: Final = ("code", "message", "sid", "status", "event", "channel", "address", "from", "body", "state")


def run(*, once: bool, as_json: bool, data_dir: Path | None, port: int) -> int:
    """Play the story and give the exit code: 0 if every step was as it should be, else 1.

    It has a data folder and a server of its own, whatever the environment says. Errors: as `app.opened`.
    """
    with _folder(data_dir) as folder, logging_to(folder / "consentry.log"), _interruptible():
        gateway = Background(Settings(data_dir=folder, port=port))
        try:
            return _played(gateway, folder, once=once, as_json=as_json, temporary=data_dir is None)
        finally:
            gateway.stop()


def _played(gateway: Background, folder: Path, *, once: bool, as_json: bool, temporary: bool) -> int:
    shown = output.console(err=as_json)
    shown.print("Starting a gateway with its own database; this takes some seconds.", style="dim")
    base_url = gateway.start()
    known = json.loads((folder / "credentials.json").read_text())
    story = Story(Caller(base_url, known["account_sid"], known["auth_token"]))
    if not as_json:
        shown.print(f"It answers at {base_url}. Every line with an arrow is a real HTTP call to it.")
    numbers = itertools.count(1)
    steps = story.play(lambda step: None if as_json else _tell(shown, next(numbers), step))
    ok = all(step.ok for step in steps)
    if as_json:
        output.as_json({"ok": ok, "steps": steps, "base_url": base_url})
        sys.stdout.flush()
    elif ok:
        shown.print("\nEvery step was as it should be.", style="bold green")
    if not ok:
        wrong = ", ".join(step.name for step in steps if not step.ok)
        click.echo(f"consentry: not as it should be: {wrong}; --data-dir keeps the data and the logs", err=True)
        return 1
    if not once:
        _stay(gateway, shown, _invitation(base_url, folder, story, known["account_sid"], temporary=temporary))
    return 0


def _stay(gateway: Background, shown: Console, invitation: str) -> None:
    try:
        shown.print(invitation, soft_wrap=True)
        gateway.wait()
    except KeyboardInterrupt:
        shown.print("\nStopping.", style="dim")


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir.resolve()
        return
    # Only a name: the embedded server makes the folder, with the rights that it needs.
    folder = Path(tempfile.gettempdir()).resolve() / f"consentry-demo-{secrets.token_hex(8)}"
    try:
        yield folder
    finally:
        for left in (folder, Folder(folder).socket_dir):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM end the demo as Ctrl-C does, so that its server and folder go too; a shell's `&` turns Ctrl-C off."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(shown: Console, number: int, step: Step) -> None:
    shown.print(f"\n{number}. {step.title}", style="bold", soft_wrap=True)
    for call in step.calls:
        path = call.path.partition("/Accounts/")
        short = f"{path[0]}{path[1]}AC…{path[2][34:]}" if path[1] else call.path
        sent = " ".join(f"{name}={_brief(value)}" for name, value in call.sent.items())
        shown.print(f"   → {call.method} {short}  {sent}".rstrip(), style="cyan", soft_wrap=True)
        shown.print(f"   ← {call.status}  {_cut(_said(call))}", style="dim", soft_wrap=True)
    mark, style = ("as it should be:", "green") if step.ok else ("NOT as it should be:", "bold red")
    first, *more = step.detail.split("\n")
    shown.print(f"   {mark} {first}" if not more else f"   {mark}", style=style, soft_wrap=True)
    for line in [first, *more] if more else []:
        shown.print(f"     {line}", soft_wrap=True)


def _said(call: Call) -> str:
    """Give what matters of an answer in one line."""
    received = call.received
    if "messages" in received:
        return " | ".join(f"{message['from']}: {message['body']}" for message in received["messages"]) or "nothing"
    if "history" in received:
        return f"{len(received['history'])} records: " + ", ".join(r["event"] for r in received["history"])
    if "record" in received:
        received = {**received["record"], "state": received["state"]["scopes"][0]["state"]}
    worth = {name: received[name] for name in _WORTH_SHOWING if received.get(name) not in (None, call.status)}
    return "  ".join(f"{name} {value}" for name, value in worth.items())


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return "{…}"
    return f'"{value}"' if " " in str(value) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _invitation(base_url: str, folder: Path, story: Story, account_sid: str, *, temporary: bool) -> str:
    credentials = folder / "credentials.json"
    kept = "removed at the end (--data-dir keeps it)" if temporary else "kept"
    return f"""
The gateway goes on at {base_url}; Ctrl-C stops it.
  account sid  {account_sid}
  credentials  {credentials}   (account_sid, auth_token)
  logs         {folder / "consentry.log"}
  data         {folder}, {kept}

Send the next message with curl:

export TWILIO_ACCOUNT_SID={account_sid}
export TWILIO_AUTH_TOKEN=$(python3 -c 'import json; print(json.load(open("{credentials}"))["auth_token"])')
curl -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN" \\
  --data-urlencode "From={WHATSAPP_FROM}" --data-urlencode "To={story.whatsapp}" --data-urlencode "Body=Hello" \\
  {base_url}/2010-04-01/Accounts/$TWILIO_ACCOUNT_SID/Messages.json

or with Twilio's Python SDK and the same two variables; only the base URL is new:

from twilio.rest import Client
client = Client()
client.api.base_url = "{base_url}"
client.messages.create(from_="{WHATSAPP_FROM}", to="{story.whatsapp}", body="Hello")

To {story.phone} from {SMS_FROM} it is refused with 21610, until that phone says START:

curl -u "$TWILIO_ACCOUNT_SID:$TWILIO_AUTH_TOKEN" -H "Content-Type: application/json" \\
  -d '{{"sender": "{SMS_FROM}", "from": "{story.phone}", "text": "START"}}' {base_url}/v1/simulator/inbound
"""
