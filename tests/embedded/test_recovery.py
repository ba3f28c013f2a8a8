"""The server comes back by itself from every death, with everything that was committed."""

import asyncio
import os
import select
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consentry.embedded import EmbeddedServer, EmbeddedServerError, cluster, processes
from consentry.embedded.binaries import _find_binaries
from consentry.embedded.folder import SOCKET, Folder, try_alone
from consentry.embedded.processes import _processes_of

Ask = Callable[..., Any]
PidOf = Callable[[Path], int]
Kill = Callable[..., None]


def test_a_running_server_is_left_alone(running_dir: Path, running: EmbeddedServer, pid_of: PidOf) -> None:
    before = pid_of(running_dir)

    assert running.ensure_running() is False
    assert pid_of(running_dir) == before


def test_killed_server_comes_back_with_what_was_committed(
    running_dir: Path, running: EmbeddedServer, ask: Ask, kill: Kill, pid_of: PidOf
) -> None:
    ask(running, "owner", "create table kept (word text)", "insert into kept values ('committed') returning word")
    kill(pid_of(running_dir))
    assert not running.is_alive()

    assert running.ensure_running() is True
    assert ask(running, "owner", "select word from kept") == "committed"


def test_all_processes_killed_at_once_come_back_with_what_was_committed(
    running_dir: Path, running: EmbeddedServer, ask: Ask, kill: Kill
) -> None:
    ask(
        running,
        "owner",
        "create table kept_too (word text)",
        "insert into kept_too values ('committed') returning word",
    )
    kill(*_processes_of(Folder(running_dir)))

    assert running.ensure_running() is True
    assert ask(running, "owner", "select word from kept_too") == "committed"


def test_of_many_that_notice_the_death_one_starts_the_server(
    running_dir: Path, running: EmbeddedServer, kill: Kill, pid_of: PidOf
) -> None:
    others = [EmbeddedServer.open(running_dir) for _ in range(3)]
    kill(pid_of(running_dir))

    with ThreadPoolExecutor() as pool:
        started = list(pool.map(EmbeddedServer.ensure_running, [running, *others]))

    assert sorted(started) == [False, False, False, True]
    for other in others:
        other.close()
    assert running.is_alive()


async def test_a_backend_too_busy_to_notice_the_death_is_ended(
    running_dir: Path, running: EmbeddedServer, kill: Kill, pid_of: PidOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_LEAVE_SECONDS", 0.1)
    connection = await asyncpg.connect(running.dsn("owner"))
    backend = connection.get_server_pid()
    busy = asyncio.create_task(connection.execute("do $$ begin loop end loop $$"))
    await asyncio.sleep(0)  # lets the task send the statement
    kill(pid_of(running_dir))

    assert await asyncio.to_thread(running.ensure_running) is True

    assert backend not in _processes_of(Folder(running_dir))
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await busy
    connection.terminate()


@pytest.mark.parametrize("owner", ["a zombie", "a stranger", "another server"])
def test_a_stale_pid_file_is_not_believed(
    owner: str, data_dir: Path, tmp_path: Path, made_once: Path, server: EmbeddedServer, pid_of: PidOf, ask: Ask
) -> None:
    server.close()
    stale = (data_dir / "postgres" / "postmaster.pid", data_dir / "run" / f"{SOCKET}.lock")
    zombie = subprocess.Popen([_find_binaries() / "postgres", "--version"], stdout=subprocess.DEVNULL)
    shutil.copytree(made_once, tmp_path / "other")
    with closing(EmbeddedServer.open(tmp_path / "other")):
        ended = os.pidfd_open(zombie.pid)
        select.select([ended], [], [], 10)
        os.close(ended)
        pid = {"a zombie": zombie.pid, "a stranger": os.getpid(), "another server": pid_of(tmp_path / "other")}[owner]
        for file in stale:
            file.write_text(f"{pid}\n{data_dir / 'postgres'}\n0\n5432\n{data_dir / 'run'}\n\n\nready\n")

        again = EmbeddedServer.open(data_dir)

        assert pid_of(data_dir) != pid
        assert ask(again, "app", "select 1") == 1
        again.close()
        assert pid_of(tmp_path / "other")
    zombie.wait()


def test_a_crash_in_the_first_start_is_made_good_by_the_second(
    data_dir: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cluster, "_run_single", crash)
        with pytest.raises(KeyboardInterrupt):
            EmbeddedServer.open(data_dir)
    assert (data_dir / "postgres.new" / "PG_VERSION").exists()
    assert not (data_dir / "postgres").exists()

    with closing(EmbeddedServer.open(data_dir)) as server:
        assert ask(server, "app", "select 1") == 1


def test_lost_passwords_are_set_anew_at_the_next_start_but_not_under_a_running_server(
    data_dir: Path, server: EmbeddedServer, ask: Ask
) -> None:
    (data_dir / "postgres.json").unlink()
    with pytest.raises(EmbeddedServerError, match="kill -INT"):
        EmbeddedServer.open(data_dir)
    old = server.dsn("app")
    server.close()

    with closing(EmbeddedServer.open(data_dir)) as again:
        assert again.dsn("app") != old
        assert ask(again, "app", "select 1") == 1


def test_data_that_is_gone_is_an_error_and_never_an_empty_database(
    data_dir: Path, server: EmbeddedServer, kill: Kill, pid_of: PidOf
) -> None:
    kill(pid_of(data_dir))
    shutil.rmtree(data_dir / "postgres")

    with pytest.raises(EmbeddedServerError, match="is gone while Consentry runs"):
        server.ensure_running()
    assert not (data_dir / "postgres").exists()


def test_a_server_that_cannot_be_seen_is_not_started_a_second_time(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GIVE_UP_SECONDS", 0.05)
    data_dir.mkdir(mode=0o700)
    unseen = try_alone(Folder(data_dir).alive_lock)
    assert unseen is not None

    with pytest.raises(EmbeddedServerError, match="another container"):
        EmbeddedServer.open(data_dir)
    os.close(unseen)


def test_data_of_another_major_version_is_refused_and_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True, mode=0o700)
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 17;(.|\n)*pg_dump"):
        EmbeddedServer.open(data_dir)
    assert [path.name for path in (data_dir / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_server_that_does_not_start_says_why_with_the_end_of_its_log(data_dir: Path, server: EmbeddedServer) -> None:
    server.close()
    with (data_dir / "postgres" / "postgresql.auto.conf").open("a") as settings:
        settings.write("max_connections = 'many'\n")

    with pytest.raises(EmbeddedServerError, match=r"did not start(.|\n)*max_connections") as failed:
        EmbeddedServer.open(data_dir)
    passwords = cluster.read_passwords(Folder(data_dir))
    assert passwords
    assert not [secret for secret in passwords.values() if secret in str(failed.value)]
