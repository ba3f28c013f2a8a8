"""What the benchmarks run against: a real `consentry serve`, with opted-in people and senders."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PEOPLE = 10_000


@dataclass
class Stage:
    """A running gateway."""

    host: str
    port: int
    account_sid: str
    auth_token: str
    data_dir: Path
    sender: str
    """The address of a simulator sender."""

    @cached_property
    def authorization(self) -> str:
        """The header that says who asks."""
        return "Basic " + base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make one ordinary call, and give its JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        headers = {"authorization": self.authorization, "content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def request(self, path: str, body: bytes, kind: str) -> bytes:
        """Write the bytes of one POST."""
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nauthorization: {self.authorization}\r\n"
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def twilio(self, to: str, from_: str, body: str) -> bytes:
        """Write the request that creates a message as Twilio's SDK does."""
        form = f"To={to.replace('+', '%2B')}&From={from_.replace('+', '%2B')}&Body={body}"
        path = f"/2010-04-01/Accounts/{self.account_sid}/Messages.json"
        return self.request(path, form.encode(), "application/x-www-form-urlencoded")

    def native(self, to: str, from_: str, body: str) -> bytes:
        """Write the request that creates a message over our own route."""
        content = json.dumps({"to": to, "from": from_, "body": body, "purpose": "marketing"}).encode()
        return self.request("/v1/messages", content, "application/json")


def person(number: int) -> str:
    """Give the address of one of the opted-in people."""
    return f"+1415{2000000 + number % PEOPLE:07d}"


@contextmanager
def gateway(*roles: str) -> Iterator[Stage]:
    """Start a gateway of one process for each role, with ten thousand opted-in people, and stop it."""
    folder = Path(tempfile.mkdtemp(prefix="consentry-bench-"))
    processes: list[subprocess.Popen[bytes]] = []
    port = 0
    try:
        for number, role in enumerate(roles or ("all",)):
            ready = folder / f"ready-{number}"
            processes.append(_start(folder, role, port, ready))
            port = port or urlsplit(_wait(processes[-1], ready, folder)).port or 0
        yield _prepared(folder)
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, role: str, port: int, ready: Path) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "consentry",
        "serve",
        "--data-dir",
        str(folder),
        "--port",
        str(port),
        "--share-port",
    ]
    environment = {**os.environ, "CONSENTRY_ALLOW_PRIVATE_EGRESS": "1"}
    with (folder / "log").open("a") as log:
        return subprocess.Popen([*command, "--role", role, "--ready-file", str(ready)], env=environment, stderr=log)


def _wait(process: "subprocess.Popen[bytes]", ready: Path, folder: Path) -> str:
    until = time.monotonic() + 60
    while not ready.exists() or not ready.read_text().strip():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError((folder / "log").read_text()[-2000:])
        time.sleep(0.05)
    return ready.read_text().strip()


def _prepared(folder: Path) -> Stage:
    credentials = json.loads((folder / "credentials.json").read_text())
    where = urlsplit(credentials["base_url"])
    address = "+15005550100"
    stage = Stage(
        where.hostname or "", where.port or 0, credentials["account_sid"], credentials["auth_token"], folder, address
    )
    stage.call("POST", "/v1/senders", {"channel": "sms", "provider": "simulator", "address": address})
    items = [
        {"address": person(n), "event": "grant.explicit", "purpose": "marketing", "evidence": {"form": "bench"}}
        for n in range(PEOPLE)
    ]
    for start in range(0, PEOPLE, 5000):
        stage.call("POST", "/v1/consents/bulk", {"items": items[start : start + 5000]})
    return stage
