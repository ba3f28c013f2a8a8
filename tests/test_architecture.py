"""The floors hold, and each contract of import-linter catches the import it is there for; files stay small and clean."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 300
TEXT = {".py", ".sql", ".toml", ".md"}
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
# Split, so that this file does not find itself.
HOSTS = re.compile(
    r"py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(?:org|com)|crates" + r"\.io|proxy\.go" + r"lang"
)
PATHS = re.compile(r"(?<![\w.])/(?:ho" + r"me|ro" + r"ot|wo" + r"rk|Us" + r"ers|t" + r"mp)/\w")


def files(*folders: str) -> list[Path]:
    """Give the texts of these folders that people write."""
    return [
        file
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*"))
        if file.suffix in TEXT and "__pycache__" not in file.parts
    ]


def found(pattern: re.Pattern[str], texts: list[Path]) -> list[str]:
    """Give `file:line: text` of every match."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in texts
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in a folder."""
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo", *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package in which imports can be planted."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(ROOT / "src" / "consentry", folder / "consentry", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_modules_import_only_from_floors_below() -> None:
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "contract,module,line",
    [
        ("floors", "kernel/clock.py", "from consentry import settings"),
        ("floors", "rules/gate.py", "from consentry.store import rows"),
        ("floors", "flows/accept.py", "from consentry import worker"),
        ("floors", "new_module.py", "from consentry import app"),
        ("circles", "flows/ports.py", "from consentry.flows import accept"),
        ("adapters", "flows/accept.py", "from consentry.channels.registry import ADAPTERS"),
        ("adapters", "web/webhooks.py", "from consentry.channels import twilio"),
        ("door", "flows/accept.py", "from consentry.net.client import HttpClient"),
        ("door", "web/webhooks.py", "from consentry.net import guard"),
        ("driver", "flows/accept.py", "import asyncpg"),
        ("scheduler", "worker.py", "from apscheduler.triggers import cron"),
        ("framework", "flows/accept.py", "from litestar import Request"),
        ("server", "web/asgi.py", "import uvloop"),
        ("clients", "flows/fetch.py", "import urllib3"),
        ("clients", "web/webhooks.py", "def late():\n    import httpx"),
    ],
)
def test_a_forbidden_import_is_caught(copy: Path, contract: str, module: str, line: str) -> None:
    file = copy / "consentry" / module
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        done = lint(copy, contract)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_no_module_is_longer_than_a_person_reads() -> None:
    long = {str(f.relative_to(ROOT)): n for f in files("src") if (n := len(f.read_text().splitlines())) > LONGEST}
    assert long == {}


def test_nothing_is_left_for_later() -> None:
    assert found(UNFINISHED, files("src", "sql", "policies", "tests")) == []


def test_no_file_knows_the_machine_or_the_registry_it_was_made_with() -> None:
    texts = [*files("src", "sql", "policies", "tests"), ROOT / "pyproject.toml"]
    assert found(HOSTS, texts) == []
    assert found(PATHS, texts) == []
