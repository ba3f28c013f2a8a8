"""Accounts and keys made at the command line are the ones that a gateway lets in, with their scopes and no more."""

import base64
import json

import pytest
from tests.cli.conftest import Run
from tests.conftest import Clone, ports_on

from consentry.kernel.directory import Principal
from consentry.kernel.errors import Unauthenticated
from consentry.settings import bundled
from consentry.store.database import Database
from consentry.web.auth import Authenticator


async def let_in(clone: Clone, user: str, secret: str) -> Principal:
    """Authenticate as a request would."""
    database = Database(clone.url(), bundled("sql"), size=2)
    await database.open()
    try:
        ports = await ports_on(database)
        header = b"Basic " + base64.b64encode(f"{user}:{secret}".encode())
        return Authenticator(ports.directory, ports.keyring).principal(header)
    finally:
        await database.close()


async def test_a_made_account_may_do_everything_in_itself(run: Run, clone: Clone) -> None:
    made = json.loads(run("account", "create", "Shop", "--json").stdout)

    principal = await let_in(clone, made["account_sid"], made["auth_token"])

    assert (principal.account.sid, principal.account.friendly_name) == (made["account_sid"], "Shop")
    assert principal.scopes == {"send", "read", "consent", "compliance", "admin"}


async def test_a_made_key_may_do_only_what_its_scopes_say(run: Run, clone: Clone) -> None:
    sid = json.loads(run("account", "create", "Shop", "--json").stdout)["account_sid"]
    made = json.loads(run("account", "key", sid, "web", "--scope", "send", "--scope", "read", "--json").stdout)

    principal = await let_in(clone, made["sid"], made["secret"])

    assert (principal.account.sid, principal.actor, principal.scopes) == (sid, made["sid"], {"send", "read"})
    with pytest.raises(Unauthenticated):
        await let_in(clone, made["sid"], made["secret"] + "x")


def test_the_list_shows_accounts_and_no_secret(run: Run) -> None:
    made = json.loads(run("account", "create", "Shop", "--json").stdout)

    listed = run("account", "list")

    assert made["account_sid"] in listed.stdout
    assert made["auth_token"] not in listed.stdout
    assert [a["friendly_name"] for a in json.loads(run("account", "list", "--json").stdout)["accounts"]] == ["Shop"]


def test_a_key_of_no_account_is_refused_in_one_line(run: Run) -> None:
    done = run("account", "key", "AC" + "0" * 32, "web", "--scope", "send")

    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "consentry account list" in done.stderr


def test_an_unknown_scope_is_refused_with_the_known_ones(run: Run) -> None:
    done = run("account", "key", "AC1", "web", "--scope", "everything")

    assert done.exit_code == 2
    assert "'compliance'" in done.stderr
