"""Help that can be read, errors in one line with the fix, and exit codes that scripts can use."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from tests.build import a_grant, a_phone, a_principal, a_sender
from tests.cli.conftest import Run
from tests.conftest import Clone

from consentry.cli.commands import main
from consentry.cli.group import one_line
from consentry.flows.ports import Ports


def refusal(done: Result) -> str:
    """Give the one line that a refused command wrote."""
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
    assert done.stderr.startswith("consentry: ")
    return done.stderr


def test_help_names_every_command_and_begins_with_the_two_that_matter(bare: Run) -> None:
    text = bare("--help").stdout

    assert text.index("consentry demo") < text.index("consentry serve") < text.index("Options:")
    assert all(f"\n  {name} " in text for name in main.commands)
    assert "\\b" not in text
    assert "..." not in text.partition("Options:")[2], "a help text is cut off"


def test_an_unknown_command_and_an_unknown_option_are_answered_with_the_nearest(bare: Run) -> None:
    assert (bare("sreve").exit_code, "'serve'" in bare("sreve").stderr) == (2, True)
    assert (bare("serve", "--prot").exit_code, "--port" in bare("serve", "--prot").stderr) == (2, True)


def test_a_port_that_is_none_is_refused(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_PORT", "eighty")

    assert "use a number from 0 to 65535" in refusal(bare("serve"))


def test_a_superuser_is_refused(run: Run, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", clone.admin_url)

    assert "a member of consentry_app" in refusal(run("account", "list"))


@pytest.mark.parametrize("url", ["postgresql://x@127.0.0.1:1/x", "nonsense"])
@pytest.mark.parametrize("words", [("account", "list"), ("migrate",), ("migrate", "--check"), ("pause",)])
def test_a_database_that_is_not_there_is_refused(
    bare: Run, monkeypatch: pytest.MonkeyPatch, url: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CONSENTRY_DATABASE_URL", url)

    assert "database" in refusal(bare(*words))


def test_a_folder_below_a_file_is_refused(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert "--data-dir" in refusal(bare("account", "list", "--data-dir", str(tmp_path / "file" / "data")))


def test_of_a_quoted_log_only_the_place_is_kept() -> None:
    text = "It did not start.\nThe end of /x/postgres.log:\n  FATAL: a\n  FATAL: b\nLook at it."

    assert one_line(text) == "It did not start. Its log: /x/postgres.log Look at it."


async def test_a_check_says_no_until_there_is_an_opt_in(run: Run, ports: Ports) -> None:
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal), a_phone()

    before = run("check", phone)
    await a_grant(ports, principal, phone)
    after = json.loads(run("check", phone, "--sender", sender.sid, "--json").stdout)
    otherwise = run("check", phone, "--purpose", "political")

    assert (before.exit_code, "NO_CONSENT" in before.stdout) == (1, True)
    assert (after["allowed"], after["address"], after["purpose"]) == (True, phone, "marketing")
    assert otherwise.exit_code == 1


async def test_the_kill_switch_holds_and_lets_go(run: Run, ports: Ports) -> None:
    principal = await a_principal(ports)
    sender, phone = await a_sender(ports, principal), a_phone()
    await a_grant(ports, principal, phone)

    assert run("pause").exit_code == 0
    held = run("check", phone, "--sender", sender.sid)
    assert run("resume", "--json").stdout == '{\n  "sends_paused": false\n}\n'

    assert (held.exit_code, "KILL_SWITCH" in held.stdout) == (1, True)
    assert run("check", phone, "--sender", sender.sid).exit_code == 0
