"""What the server keeps to itself: its rights, its roles, its log, and the folders around it."""

import json
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consentry.embedded import EmbeddedServer, EmbeddedServerError, binaries
from consentry.embedded.folder import SOCKET, make_private

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")

Ask = Callable[..., Any]
PidOf = Callable[[Path], int]


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine which forbids user namespaces."""
    monkeypatch.setattr(binaries, "_NAMESPACE", ("false",))


def rights(*paths: Path) -> dict[Path, tuple[int, int]]:
    return {folder: (folder.stat().st_mode, folder.stat().st_uid) for path in paths for folder in (path, *path.parents)}


def test_no_rights_are_loosened_and_what_is_made_is_private(tmp_path: Path) -> None:
    around = (tmp_path, binaries._find_binaries())
    before = rights(*around)
    data_dir = tmp_path / "data"

    EmbeddedServer.open(data_dir).close()

    assert rights(*around) == before
    for made in (data_dir, *data_dir.iterdir()):
        assert stat.S_IMODE(made.stat().st_mode) == (0o700 if made.is_dir() else 0o600), made
    assert set(json.loads((data_dir / "postgres.json").read_text())) == {
        "postgres",
        "consentry_owner",
        "consentry_app",
        "consentry_reader",
    }


def test_it_is_durable_checks_its_pages_and_listens_on_no_port(running: EmbeddedServer, ask: Ask) -> None:
    names = [
        "data_checksums",
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "listen_addresses",
        "unix_socket_permissions",
        "jit",
    ]
    found = {name: ask(running, "app", f"show {name}") for name in names}

    assert found == {
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "jit": "off",
    }
    locale = "select datlocprovider::text || datlocale || pg_encoding_to_char(encoding) from pg_database where datname = current_database()"
    assert ask(running, "app", locale) == "bC.UTF-8UTF8"


def test_no_role_has_a_right_that_passes_row_security(running: EmbeddedServer, ask: Ask) -> None:
    powerful = """select count(*) from pg_roles where rolname like 'consentry%' and
        (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"""
    assert ask(running, "app", powerful) == 0
    assert ask(running, "app", "select count(*) from pg_roles where rolname like 'consentry%' and rolcanlogin") == 3
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    assert ask(running, "app", owner) == "consentry_owner"


@pytest.mark.parametrize("role", ["app", "reader"])
def test_only_the_owner_can_create(role: str, running: EmbeddedServer, ask: Ask) -> None:
    for statement in ("create table public.mine ()", "create schema mine", "create temporary table mine ()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(running, role, statement)
    ask(
        running,
        "owner",
        "create table public.theirs ()",
        "create schema theirs",
        "drop schema theirs",
        "drop table theirs",
    )


def test_a_wrong_password_is_refused(running: EmbeddedServer, ask: Ask) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(running, "app", "select 1", dsn=running.dsn("app").replace("consentry_app:", "consentry_app:x"))


def test_the_log_holds_no_statement_and_no_value(running_dir: Path, running: EmbeddedServer, ask: Ask) -> None:
    ask(
        running,
        "owner",
        "create table person (address text primary key)",
        "insert into person values ('+447700900123')",
    )
    for statement in (
        "insert into person values ('+447700900123')",
        "select '{+447700900123'::json",
        "oops +447700900123",
    ):
        with pytest.raises(asyncpg.PostgresError):
            ask(running, "owner", statement)

    log = (running_dir / "postgres.log").read_text()
    assert "duplicate key" in log
    assert "447700900123" not in log


def test_the_callers_environment_does_not_change_the_server(
    data_dir: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "6000", "PGHOST": "/nowhere", "PGDATA": "/nowhere", "PGOPTIONS": "-c x"}.items():
        monkeypatch.setenv(name, value)
    with closing(EmbeddedServer.open(data_dir)) as server:
        monkeypatch.delenv("PGOPTIONS")
        assert ask(server, "app", "show port") == "5432"


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files whose path leaves room for a socket's, wherever pytest keeps its own."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_a_path_too_long_for_a_socket_works(tmp_path: Path, ask: Ask, short_tmp: Path) -> None:
    data_dir = tmp_path / ("long " * 12 + "$(false) 'quoted\", name") / "data"

    with closing(EmbeddedServer.open(data_dir)) as server:
        assert ask(server, "app", "select 1") == 1
        assert not (data_dir / "run").exists()
        (sockets,) = short_tmp.glob(f"consentry-*/{SOCKET}")
        assert stat.S_IMODE(sockets.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["a $HOME \"b\" 'c' %d é", "a, b"])
def test_a_path_with_odd_letters_works(name: str, tmp_path: Path, made_once: Path, ask: Ask, short_tmp: Path) -> None:
    assert short_tmp.is_dir()  # where the socket goes if the odd letters rule the data directory out
    shutil.copytree(made_once, tmp_path / name)
    with closing(EmbeddedServer.open(tmp_path / name)) as server:
        assert ask(server, "app", "select 1") == 1


def test_a_folder_for_the_socket_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")

    make_private(tmp_path / "own", os.geteuid())
    for path in (tmp_path / "open", tmp_path / "link"):
        with pytest.raises(EmbeddedServerError, match="not safe"):
            make_private(path, os.geteuid())


@only_root
@pytest.mark.usefixtures("no_namespaces")
def test_without_namespaces_root_drops_to_a_user_without_rights(ask: Ask, pid_of: PidOf) -> None:
    data_dir = Path(tempfile.gettempdir()) / f"consentry-test-{secrets.token_hex(4)}"
    try:
        with closing(EmbeddedServer.open(data_dir)) as server:
            assert Path(f"/proc/{pid_of(data_dir)}").stat().st_uid == binaries.NOBODY
            assert ask(server, "app", "select 1") == 1
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o711
        assert stat.S_IMODE((data_dir / "postgres.json").stat().st_mode) == 0o600
    finally:
        shutil.rmtree(data_dir)


@only_root
@pytest.mark.usefixtures("no_namespaces")
def test_a_folder_the_dropped_user_cannot_enter_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedServerError, match=r"cannot enter(.|\n)*--data-dir(.|\n)*CONSENTRY_DATABASE_URL"):
        EmbeddedServer.open(tmp_path / "data")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_binaries_in_a_private_folder_are_copied_once_to_where_they_can_be_read(tmp_path: Path) -> None:
    installed = tmp_path / "private" / "package" / "pginstall"
    program, library = installed / "bin" / "postgres", tmp_path / "private" / "package.libs" / "libpq.so"
    for file in (program, library):
        file.parent.mkdir(parents=True, mode=0o700)
        file.write_text("made up")
        file.chmod(0o700)

    copy = binaries._copy_binaries(installed, tmp_path)

    assert stat.S_IMODE((copy / "bin" / "postgres").stat().st_mode) == 0o755
    assert stat.S_IMODE((copy / "../../package.libs/libpq.so").stat().st_mode) == 0o755
    shutil.rmtree(tmp_path / "private")
    assert binaries._copy_binaries(installed, tmp_path) == copy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_a_copy_of_the_real_binaries_runs_in_its_new_place(tmp_path: Path) -> None:
    copy = binaries._copy_binaries(binaries._find_binaries().parent, tmp_path)

    for program in ("initdb", "postgres", "pg_ctl"):
        subprocess.run([copy / "bin" / program, "--version"], check=True, capture_output=True)
