"""The doctor finds nothing wrong with what we made, names the fix for what is wrong, and makes nothing."""

import base64
import json
import os
from pathlib import Path

import asyncpg
import pytest
from tests.cli.conftest import Run
from tests.conftest import Clone


def status(run: Run) -> dict[str, str]:
    """Ask the doctor; give the status of each check."""
    return {check["name"]: check["status"] for check in json.loads(run("doctor", "--json").stdout)["checks"]}


def test_no_data_yet_is_fine_and_nothing_is_made(bare: Run) -> None:
    done = bare("doctor")

    assert done.exit_code == 0, done.stdout
    assert "the first start makes it" in done.stdout
    assert not os.path.lexists(os.environ["CONSENTRY_DATA_DIR"])


def test_a_folder_of_data_that_we_made_is_fine(bare: Run) -> None:
    assert bare("account", "create", "Shop").exit_code == 0

    done = bare("doctor", "--json")

    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"], {c["status"] for c in told["checks"]} - {"warn"}) == (0, True, {"ok"}), told
    assert {"database", "server", "clock", "schema", "role", "outbox"} <= {c["name"] for c in told["checks"]}


def test_secrets_that_others_may_read_are_found(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "credentials.json").write_text("{}")
    (folder / "credentials.json").chmod(0o644)

    done = run("doctor")

    assert done.exit_code == 1
    assert f"chmod 600 {folder}" in done.stdout


def test_another_master_key_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("account", "create", "Shop").exit_code == 0
    monkeypatch.setenv("CONSENTRY_MASTER_KEY", base64.b64encode(b"x" * 32).decode())

    assert status(run)["key of the data"] == "fail"


def test_a_superuser_is_found(run: Run, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", clone.admin_url)

    assert status(run)["role"] == "fail"


async def test_what_waits_and_what_was_given_up_is_counted(run: Run, clone: Clone) -> None:
    connection = await asyncpg.connect(clone.url())
    await connection.execute(
        "insert into outbox (lane, message_id, account_id, sender_id, due_at) values (0, $1, 1, 1, now() - interval '1 h')",
        b"m" * 16,
    )
    await connection.execute(
        "insert into quarantine (lane, quarantine_id, account_id, sender_id, provider, query, headers, body, error, "
        "received_at) values (0, $1, 1, 1, 'twilio', '', '', '', 'unreadable', now())",
        b"q" * 16,
    )
    await connection.close()
    run("pause")

    found = status(run)

    assert (found["outbox"], found["quarantine"], found["sending"], found["callbacks"]) == (
        "warn",
        "warn",
        "warn",
        "ok",
    )


def test_a_server_that_does_not_answer_is_a_finding(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", "postgresql://x@127.0.0.1:1/x")

    assert status(bare)["database"] == "fail"
