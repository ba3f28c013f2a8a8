"""Settings are read once and refuse to be wrong, naming the variable; an empty variable is one that is not set."""

from pathlib import Path

import pytest

from consentry.kernel.errors import Invalid
from consentry.settings import Settings, bundled, from_environment

VARIABLES = [
    "CONSENTRY_DATA_DIR",
    "CONSENTRY_DATABASE_URL",
    "CONSENTRY_OWNER_URL",
    "CONSENTRY_MASTER_KEY",
    "CONSENTRY_HOST",
    "CONSENTRY_PORT",
    "CONSENTRY_PUBLIC_URL",
    "CONSENTRY_ALLOW_PRIVATE_EGRESS",
    "CONSENTRY_POLICIES_DIR",
]


def test_nothing_needs_to_be_set() -> None:
    found = from_environment({})
    assert found == Settings(data_dir=Path("consentry-data").resolve())
    assert (found.host, found.port, found.base_url) == ("127.0.0.1", 8080, "http://127.0.0.1:8080")


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_is_one_that_is_not_set(name: str) -> None:
    assert from_environment({name: ""}) == from_environment({})


def test_every_variable_is_read(tmp_path: Path) -> None:
    given = {
        "CONSENTRY_DATA_DIR": str(tmp_path),
        "CONSENTRY_DATABASE_URL": "postgresql://app@db/consentry",
        "CONSENTRY_OWNER_URL": "postgresql://owner@db/consentry",
        "CONSENTRY_MASTER_KEY": "a2V5",
        "CONSENTRY_HOST": "0.0.0.0",
        "CONSENTRY_PORT": "80",
        "CONSENTRY_PUBLIC_URL": "https://consent.example/base/",
        "CONSENTRY_ALLOW_PRIVATE_EGRESS": "yes",
        "CONSENTRY_POLICIES_DIR": str(tmp_path),
    }
    assert [*given] == VARIABLES
    assert from_environment(given) == Settings(
        data_dir=tmp_path,
        database_url="postgresql://app@db/consentry",
        owner_url="postgresql://owner@db/consentry",
        master_key="a2V5",
        host="0.0.0.0",
        port=80,
        public_url="https://consent.example/base",
        allow_private_egress=True,
        policies_dir=tmp_path,
    )


def test_what_the_command_line_says_wins(tmp_path: Path) -> None:
    environment = {"CONSENTRY_DATA_DIR": "elsewhere", "CONSENTRY_HOST": "::1", "CONSENTRY_PORT": "1"}
    found = from_environment(environment, data_dir=tmp_path, host="127.0.0.2", port=0, role="api")
    assert (found.data_dir, found.host, found.port, found.role) == (tmp_path, "127.0.0.2", 0, "api")


@pytest.mark.parametrize("port", ["http", "-1", "65536", "80.0", " 80", "²", "8e1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(Invalid, match="CONSENTRY_PORT"):
        from_environment({"CONSENTRY_PORT": port})


@pytest.mark.parametrize("word,meant", [("1", True), ("TRUE", True), ("on", True), ("0", False), (" no ", False)])
def test_a_switch_is_said_in_plain_words(word: str, meant: bool) -> None:
    assert from_environment({"CONSENTRY_ALLOW_PRIVATE_EGRESS": word}).allow_private_egress is meant


@pytest.mark.parametrize("word", ["2", "enabled", "ja", "-"])
def test_a_switch_that_says_neither_yes_nor_no_is_refused(word: str) -> None:
    with pytest.raises(Invalid, match="use 1 or 0") as caught:
        from_environment({"CONSENTRY_ALLOW_PRIVATE_EGRESS": word})
    assert caught.value.field == "CONSENTRY_ALLOW_PRIVATE_EGRESS"


@pytest.mark.parametrize(
    "url", ["consent.example", "ftp://consent.example", "https://", "https:///x", "https://a_b.example", "https://a b", "https://a/?x", "https://a/#x", "https://a:port"]
)  # fmt: skip
def test_a_public_url_that_nobody_could_call_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="CONSENTRY_PUBLIC_URL"):
        from_environment({"CONSENTRY_PUBLIC_URL": url})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:pa%2Fss@db.example:5432/consentry",
        "postgres://app@db/consentry?sslmode=require",
        "postgresql://app:x@/consentry?host=/var/run/postgresql&port=5432",
        "postgresql://app:x@[2001:db8::1]:5432/consentry",
        "postgresql://app:x@one:5432,two:5433/consentry?target_session_attrs=read-write",
        "postgresql:///consentry",
        "postgresql://db",
    ],
)
@pytest.mark.parametrize("name", ["CONSENTRY_DATABASE_URL", "CONSENTRY_OWNER_URL"])
def test_a_url_of_a_database_is_accepted_as_it_is(name: str, url: str) -> None:
    found = from_environment({name: url})
    assert url in {found.database_url, found.owner_url}


@pytest.mark.parametrize(
    "url",
    [
        "mysql://app:secret@db/consentry",
        "db.example:5432/secret",
        "host=db password=secret",
        "postgresql:app:secret@db",
        "postgresql://app:secret/slash@db/consentry",
        "postgresql://app:1/secret@db/consentry",
        "postgresql://app:secret#hash@db/consentry",
        "postgresql://app:secret?mark@db/consentry",
        "postgresql://app:1?secret@db/consentry",
        "postgresql://app:secret@at@db/consentry",
        "postgresql://app:secret@db:port/consentry",
        "postgresql://app:secret@db:5432:5433/consentry",
        "postgresql://app:secret@[::1/consentry",
        "postgresql://app:secret@db/consentry#x",
    ],
)
@pytest.mark.parametrize("name", ["CONSENTRY_DATABASE_URL", "CONSENTRY_OWNER_URL"])
def test_a_broken_url_of_a_database_is_refused_and_its_password_not_shown(name: str, url: str) -> None:
    with pytest.raises(Invalid, match=name) as caught:
        from_environment({name: url})
    assert "secret" not in caught.value.text
    assert caught.value.field == name


@pytest.mark.parametrize(
    "host,url",
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("consent.example", "http://consent.example:8080"),
    ],
)
def test_without_a_public_url_the_listening_address_is_it(host: str, url: str) -> None:
    assert from_environment({}, host=host).base_url == url


@pytest.mark.parametrize("name,inside", [("sql", "queries/ledger.sql"), ("policies", "packs/default.toml")])
def test_the_bundled_files_are_found(name: str, inside: str) -> None:
    assert (bundled(name) / inside).is_file()  # type: ignore[arg-type]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        from_environment({}).port = 1  # type: ignore[misc]
