"""The demo tells the truth: every step is checked, and a gate that lets things through is found."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from consentry.cli import demo
from consentry.flows import accept, dispatch
from consentry.kernel.decision import Decision, Verdict

_STEPS = [
    "set_up",
    "send_without_opt_in",
    "opt_in",
    "send",
    "stop",
    "confirmation",
    "send_after_stop",
    "other_channel",
    "history",
]


def environment(folder: Path) -> dict[str, str]:
    """One in which a demo that looked at CONSENTRY_ variables could not start."""
    return {**os.environ, "TMPDIR": str(folder), "CONSENTRY_DATABASE_URL": "postgresql://nowhere.invalid/x"}


@pytest.fixture
def short() -> Any:
    """A temporary folder with a name short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cd") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_the_story_told_by_the_real_command_is_true_and_leaves_nothing(short: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "consentry", "demo", "--once", "--json"],
        env=environment(short),
        capture_output=True,
        text=True,
        check=False,
    )

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (told["ok"], [step["name"] for step in told["steps"] if step["ok"]]) == (True, _STEPS)
    assert list(short.iterdir()) == []


def test_a_broken_gate_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def let_through(_request: object, head: Any, policy: Any, _now: object) -> Decision:
        return Decision(Verdict.ALLOW, policy.digest, head.version)

    monkeypatch.setattr(accept, "decide", let_through)
    monkeypatch.setattr(dispatch, "decide", let_through)

    code = demo.run(once=True, as_json=True, data_dir=None, port=0)

    told = json.loads(capsys.readouterr().out)
    wrong = [step["name"] for step in told["steps"] if not step["ok"]]
    assert (code, told["ok"], wrong) == (1, False, ["send_without_opt_in", "send_after_stop"])


def test_the_gateway_stays_after_the_story_until_it_is_interrupted(short: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "consentry", "demo"],
        env=environment(short),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    told = []
    for line in running.stdout:
        told.append(line)
        if "/v1/simulator/inbound" in line and line.lstrip().startswith("-d"):
            break

    running.send_signal(signal.SIGTERM)

    rest = running.communicate(timeout=30)[0]
    assert running.returncode == 0, "".join(told) + rest
    assert "Every step was as it should be.\n" in told
    assert 'client.api.base_url = "http://127.0.0.1:' in "".join(told)
    assert list(short.iterdir()) == []
