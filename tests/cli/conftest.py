"""Runs commands in this process, on a database of their own."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import Clone

from consentry.cli.commands import main

MASTER = b"k" * 32
"""The master key that `tests.conftest.ports` uses, so that commands and ports see the same data."""

Run = Callable[..., Result]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command with no environment and no data."""
    for name in ("DATABASE_URL", "OWNER_URL", "MASTER_KEY", "HOST", "PORT", "PUBLIC_URL", "POLICIES_DIR"):
        monkeypatch.delenv(f"CONSENTRY_{name}", raising=False)
    monkeypatch.setenv("CONSENTRY_DATA_DIR", str(tmp_path / "data"))
    runner = CliRunner()

    def invoke(*words: str) -> Result:
        # On a thread of its own: a command runs a loop, and a test may be inside one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(runner.invoke, main, list(words)).result()

    return invoke


@pytest.fixture
def run(bare: Run, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the clone."""
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", clone.url())
    monkeypatch.setenv("CONSENTRY_MASTER_KEY", base64.b64encode(MASTER).decode())
    return bare
