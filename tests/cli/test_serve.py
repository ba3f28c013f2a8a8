"""`consentry serve` as it is started by people and by programs."""

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_COMMAND = [sys.executable, "-m", "consentry", "serve", "--port", "0"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary folder with a name short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cs") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def started(place: Path, stderr: int) -> "subprocess.Popen[bytes]":
    """Start a gateway and wait until it answers."""
    ready = place / "ready"
    words = [*_COMMAND, "--data-dir", str(place / "data"), "--ready-file", str(ready)]
    process = subprocess.Popen(words, stderr=stderr, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not (ready.exists() and ready.read_text()):
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it does not answer"
        time.sleep(0.05)
    return process


def test_a_program_reads_json_lines_and_a_signal_ends_it_in_order(place: Path) -> None:
    with (place / "err").open("wb") as err:
        process = started(place, err.fileno())
        process.send_signal(signal.SIGTERM)

        assert process.wait(30) == 0

    events = [json.loads(line)["event"] for line in (place / "err").read_text().splitlines()]
    assert ("serve.ready" in events, events[-1]) == (True, "serve.stopped")


def test_a_person_reads_where_things_are_and_logs_go_to_a_file(place: Path) -> None:
    ours, terminal = pty.openpty()
    process = started(place, terminal)
    os.close(terminal)

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    url = (place / "ready").read_text().strip()
    assert all(text in shown for text in (f"answers at {url}", "credentials.json", "consentry.log", "Ctrl-C"))
    assert '"event"' not in shown
    log = place / "data" / "consentry.log"
    assert "serve.ready" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
