"""The floors hold, and each contract of import-linter catches the import it is there for; files stay small and clean."""

import re
import shutil
import subprocess
import sys
import tomllib
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


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in a folder."""
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


PLANTED = [
    ("floors", "kernel/clock.py", "from consentry import settings", "kernel.clock -> consentry.settings"),
    ("floors", "rules/gate.py", "from consentry.store import rows", "rules.gate -> consentry.store.rows"),
    ("floors", "channels/twilio.py", "from consentry.rules import fold", "channels.twilio -> consentry.rules.fold"),
    ("floors", "flows/accept.py", "from consentry import worker", "flows.accept -> consentry.worker"),
    ("floors", "web/webhooks.py", "from consentry import schedule", "web.webhooks -> consentry.schedule"),
    ("floors", "new_module.py", "from consentry import app", "- consentry.new_module"),
    ("circles", "flows/ports.py", "from consentry.flows import accept", ".ports -> .accept"),
    ("adapters", "flows/accept.py", "from consentry.channels import registry", "accept -> consentry.channels.registry"),
    ("adapters", "web/webhooks.py", "from consentry.channels import twilio", "webhooks -> consentry.channels.twilio"),
    ("door", "flows/accept.py", "from consentry.net.client import HttpClient", "accept -> consentry.net.client"),
    ("door", "web/webhooks.py", "from consentry.net import guard", "webhooks -> consentry.net.guard"),
    ("driver", "flows/accept.py", "import asyncpg", "flows.accept -> asyncpg"),
    ("scheduler", "worker.py", "from apscheduler.triggers import cron", "worker -> apscheduler"),
    ("framework", "flows/accept.py", "from litestar import Request", "flows.accept -> litestar"),
    ("server", "web/asgi.py", "import uvloop", "web.asgi -> uvloop"),
    ("clients", "flows/fetch.py", "import urllib3", "flows.fetch -> urllib3"),
    ("clients", "web/webhooks.py", "def late():\n    import httpx", "web.webhooks -> httpx"),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each contract says, by its id, of a copy of the package with every forbidden import planted."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(ROOT / "src" / "consentry", folder / "consentry", ignore=shutil.ignore_patterns("__pycache__"))
    for _, module, line, _ in PLANTED:
        with (folder / "consentry" / module).open("a") as file:
            file.write(f"\n{line}\n")
    done = lint(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    names = {contract["name"]: contract["id"] for contract in contracts}
    _, *parts = re.split(rf"^({'|'.join(map(re.escape, names))})\n-+\n", done.stdout, flags=re.MULTILINE)
    return {names[name]: text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def test_modules_import_only_from_floors_below() -> None:
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("contract,_module,_line,words", PLANTED)
def test_a_forbidden_import_is_caught(
    verdicts: dict[str, str], contract: str, _module: str, _line: str, words: str
) -> None:
    assert words in verdicts[contract]


def test_every_contract_has_an_import_that_breaks_it(verdicts: dict[str, str]) -> None:
    assert {contract for contract, *_ in PLANTED} == set(verdicts)


def test_no_module_is_longer_than_a_person_reads() -> None:
    long = {str(f.relative_to(ROOT)): n for f in files("src") if (n := len(f.read_text().splitlines())) > LONGEST}
    assert long == {}


def test_nothing_is_left_for_later() -> None:
    assert found(UNFINISHED, files("src", "sql", "policies", "tests")) == []


def test_no_file_knows_the_machine_or_the_registry_it_was_made_with() -> None:
    texts = [*files("src", "sql", "policies", "tests"), ROOT / "pyproject.toml"]
    assert found(HOSTS, texts) == []
    assert found(PATHS, texts) == []
