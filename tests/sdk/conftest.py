"""One real `consentry serve` for all tests here, the official SDK pointed at it, and a customer's server for callbacks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sdk.gateway import Gateway, until
from tests.sdk.receiver import Receiver
from twilio.rest import Client

_CHANNELS = ("sms", "whatsapp", "messenger")
_TWILIO_NAMES = ("TWILIO_REGION", "TWILIO_EDGE", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a simulator sender on each of three channels; stopped by SIGTERM, and then it must end well."""
    folder = tmp_path_factory.mktemp("gateway")
    data, ready, log = folder / "data", folder / "ready", folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "consentry", "serve", "--port", "0"),
                *("--data-dir", str(data), "--ready-file", str(ready)),
            ],
            env=_environment(),
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        found = _opened(process, data, ready, log)
        yield found
        found.http.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A customer's server."""
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def client(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The SDK as it comes from PyPI; all that is changed is where it calls."""
    for name in _TWILIO_NAMES:
        monkeypatch.delenv(name, raising=False)
    found = Client(gateway.account_sid, gateway.auth_token)
    found.api.base_url = gateway.base_url
    yield found
    found.http_client.session.close()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CONSENTRY_") and k not in _TWILIO_NAMES}
    return {**kept, "CONSENTRY_ALLOW_PRIVATE_EGRESS": "1"}


def _opened(process: "subprocess.Popen[bytes]", data: Path, ready: Path, log: Path) -> Gateway:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        return ready.exists() and ready.read_text().endswith("\n")

    until(answers, "the gateway to answer", within_s=60)
    credentials = json.loads((data / "credentials.json").read_text())
    found = Gateway(ready.read_text().strip(), credentials["account_sid"], credentials["auth_token"])
    for channel in _CHANNELS:
        found.lines[channel] = found.install(channel)
    return found
