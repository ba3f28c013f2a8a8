"""Real processes on a data directory, a load on them over HTTP, and what was acknowledged to it."""

import base64
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import urllib3

from consentry.embedded.folder import Folder
from consentry.embedded.processes import _processes_of

_SENDER: Final = "+15005550100"
_FINAL: Final = frozenset({"delivered", "unknown"})


def eventually(done: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Ask until it is so."""
    until = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < until, f"not so within {within_s} s"
        time.sleep(0.05)


class Gateway:
    """A data directory and the processes that serve it; every one of them is gone after `end`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._processes: list[subprocess.Popen[bytes]] = []
        self._numbers = itertools.count()
        self._pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=urllib3.Timeout(30))
        self._headers: dict[str, str] = {}
        self._base_url = ""

    def start(self, role: str = "all") -> subprocess.Popen[bytes]:
        """Start a process, and wait until it answers."""
        self.data_dir.mkdir(exist_ok=True)
        name = f"{role}-{next(self._numbers)}"
        ready, log = self.data_dir / f"{name}.ready", self.data_dir / f"{name}.log"
        command = [sys.executable, "-m", "consentry", "serve", "--data-dir", str(self.data_dir), "--port", "0"]
        environment = {**os.environ, "CONSENTRY_ALLOW_PRIVATE_EGRESS": "1"}
        with log.open("w") as out:
            process = subprocess.Popen(
                [*command, "--role", role, "--ready-file", str(ready)], env=environment, stdout=out, stderr=out
            )
        self._processes.append(process)
        eventually(lambda: process.poll() is not None or bool(ready.exists() and ready.read_text()))
        assert process.poll() is None, log.read_text()
        if role != "worker":
            given = json.loads((self.data_dir / "credentials.json").read_text())
            who = base64.b64encode(f"{given['account_sid']}:{given['auth_token']}".encode()).decode()
            self._headers = {"authorization": f"Basic {who}", "content-type": "application/json"}
            self._base_url = given["base_url"]
        return process

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask once, and give status and JSON. Errors: urllib3.exceptions.HTTPError: nothing was acknowledged."""
        sent = None if body is None else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._pool.request(method, self._base_url + path, body=sent, headers={**self._headers, **told})
        return answer.status, json.loads(answer.data)

    def message(self, sid: str) -> dict[str, Any]:
        """Give a message that must be there."""
        status, found = self.call("GET", f"/v1/messages/{sid}")
        assert status == 200, (sid, found)
        return {**found["message"], "attempts": found["attempts"]}

    def on_phone(self, phone: str) -> list[tuple[str, str]]:
        """Give sid and body of each message that a phone got."""
        status, found = self.call("GET", f"/v1/simulator/phones/{phone}")
        assert status == 200
        return [(message["sid"], message["body"]) for message in found["messages"]]

    def send(self, phone: str, body: str, **headers: str) -> tuple[int, Any]:
        """Ask for a message."""
        asked = {"to": phone, "from": _SENDER, "body": body, "purpose": "marketing"}
        return self.call("POST", "/v1/messages", asked, **headers)

    def stop(self, phone: str) -> bool:
        """Let a person text STOP; tell if it was acknowledged."""
        done = {"sender": _SENDER, "from": phone, "type": "text", "text": "STOP"}
        return self.call("POST", "/v1/simulator/inbound", done)[0] == 200

    def script(self, phone: str, *steps: dict[str, Any]) -> None:
        """Set how a phone answers."""
        status, _ = self.call("POST", f"/v1/simulator/phones/{phone}", {"sender": _SENDER, "script": list(steps)})
        assert status == 200

    def furnish(self, phones: list[str]) -> None:
        """Make the sender, and let people opt in."""
        made = self.call("POST", "/v1/senders", {"channel": "sms", "provider": "simulator", "address": _SENDER})
        assert made[0] == 201, made
        yes = {"event": "grant.explicit", "purpose": "marketing", "evidence": {"form": "test"}}
        status, found = self.call("POST", "/v1/consents/bulk", {"items": [{"address": p, **yes} for p in phones]})
        assert (status, found["failed"]) == (200, 0)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a power cut would."""
        process.kill()
        process.wait(10)

    def kill_database(self) -> None:
        """End every process of PostgreSQL at once."""
        for pid in _processes_of(Folder(self.data_dir)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """End everything, and remove the data."""
        for process in self._processes:
            self.kill(process)
        self.kill_database()
        eventually(lambda: not _processes_of(Folder(self.data_dir)))
        self._pool.clear()
        shutil.rmtree(self.data_dir)


class Sent(NamedTuple):
    """A message that was acknowledged."""

    sid: str
    phone: str
    body: str


class Load:
    """Threads that send, and people who say STOP; it remembers what was acknowledged, and which keys were used."""

    def __init__(self, gateway: Gateway) -> None:
        self.people = [f"+14155552{n:03d}" for n in range(20)]
        self._leavers = [f"+14155553{n:03d}" for n in range(200)]
        self.sent: list[Sent] = []
        self.keys: dict[str, str] = {}
        """Idempotency-Key (it is the body too) to phone, whether acknowledged or not."""
        self.stopped: list[str] = []
        self._gateway = gateway
        self._bodies = itertools.count()
        self._over = threading.Event()
        gateway.furnish(self.people + self._leavers)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send and stop from many threads."""
        with ThreadPoolExecutor(6) as threads:
            works = [threads.submit(self._send, random.Random(n)) for n in range(4)]
            works += [threads.submit(self._leave, self._leavers[n::2]) for n in range(2)]
            try:
                yield
            finally:
                self._over.set()
        for work in works:
            work.result()

    def _send(self, chance: random.Random) -> None:
        while not self._over.is_set():
            phone, body = chance.choice(self.people), f"n{next(self._bodies)}"
            headers = {"idempotency_key": body} if chance.random() < 0.3 else {}
            if headers:
                self.keys[body] = phone
            with suppress(urllib3.exceptions.HTTPError):
                status, found = self._gateway.send(phone, body, **headers)
                if status == 201:
                    self.sent.append(Sent(found["sid"], phone, body))
                else:
                    assert status in {409, 503}, found

    def _leave(self, leavers: list[str]) -> None:
        for phone in leavers:
            if self._over.is_set():
                return
            with suppress(urllib3.exceptions.HTTPError):
                self._gateway.send(phone, "last words")
                if self._gateway.stop(phone):
                    self.stopped.append(phone)

    def judge(self) -> None:
        """Look for everything that was acknowledged, and for anything that came twice."""
        before = {entry.body: entry.sid for entry in self.sent}
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(self._refused, self.stopped)) == [True] * len(self.stopped)
            again = dict(threads.map(self._again, self.keys))
            waiting = [entry.sid for entry in self.sent]

            def all_final() -> bool:
                waiting[:] = [
                    sid
                    for sid, found in zip(waiting, threads.map(self._gateway.message, waiting), strict=True)
                    if found["status"] not in _FINAL
                ]
                return not waiting

            eventually(all_final)
            arrived = list(itertools.chain(*threads.map(self._gateway.on_phone, self.people)))
        assert {body: again[body] for body in again if body in before} == {
            body: before[body] for body in again if body in before
        }
        assert len({sid for sid, _ in arrived}) == len(arrived)
        assert len({body for _, body in arrived}) == len(arrived)

    def _refused(self, phone: str) -> bool:
        status, found = self._gateway.send(phone, "after the stop")
        return (status, found.get("code")) == (403, 21610)

    def _again(self, key: str) -> tuple[str, str]:
        status, found = self._gateway.send(self.keys[key], key, idempotency_key=key)
        assert status == 201, found
        return key, found["sid"]
