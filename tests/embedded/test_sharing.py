"""Many processes share one server: the first starts it, the last stops it, and a death in between is harmless."""

import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from consentry.embedded import EmbeddedServer, EmbeddedServerError
from consentry.embedded.folder import Folder, try_alone

Ask = Callable[..., Any]
PidOf = Callable[[Path], int]
Kill = Callable[..., None]
OtherProcess = Callable[[Path], AbstractContextManager[subprocess.Popen[str]]]


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_first_open_makes_a_server_that_the_app_can_use(data_dir: Path, ask: Ask) -> None:
    server = EmbeddedServer.open(data_dir)

    assert server.is_alive()
    assert ask(server, "app", "select current_user || '@' || current_database()") == "consentry_app@consentry"
    server.close()


def test_open_again_finds_the_data_that_was_there(data_dir: Path, server: EmbeddedServer, ask: Ask) -> None:
    ask(server, "owner", "create table kept (word text)", "insert into kept values ('still here') returning word")
    server.close()

    again = EmbeddedServer.open(data_dir)

    assert ask(again, "owner", "select word from kept") == "still here"
    again.close()


def test_second_process_attaches_to_the_running_server(
    running_dir: Path, running: EmbeddedServer, pid_of: PidOf, other_process: OtherProcess
) -> None:
    before = pid_of(running_dir)

    with other_process(running_dir) as other:
        assert said(other) == running.dsn("app")
        assert pid_of(running_dir) == before


def test_the_first_to_leave_keeps_the_server_and_the_last_one_stops_it(
    data_dir: Path, server: EmbeddedServer, ask: Ask, other_process: OtherProcess
) -> None:
    with other_process(data_dir) as other:
        said(other)
        server.close()
        assert server.is_alive()
        assert ask(server, "reader", "select 1") == 1

    assert other.returncode == 0
    assert not server.is_alive()
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


def test_processes_that_open_a_new_folder_at_once_share_one_server(data_dir: Path, other_process: OtherProcess) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(other_process(data_dir)) for _ in range(3)]
        urls = {said(other) for other in others}
        assert len(urls) == 1
        assert urls.pop().startswith("postgresql://consentry_app:")

    assert [other.returncode for other in others] == [0, 0, 0]


def test_a_killed_process_leaves_the_server_to_the_next_one_which_stops_it(
    data_dir: Path, kill: Kill, pid_of: PidOf, other_process: OtherProcess
) -> None:
    with other_process(data_dir) as other:
        said(other)
        before = pid_of(data_dir)
        kill(other.pid)

    server = EmbeddedServer.open(data_dir)

    assert pid_of(data_dir) == before
    server.close()
    assert not server.is_alive()


def test_a_closed_server_does_nothing_on_close_and_refuses_to_run(server: EmbeddedServer) -> None:
    server.close()
    server.close()

    with pytest.raises(EmbeddedServerError, match="closed by this process"):
        server.ensure_running()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(
    running_dir: Path, running: EmbeddedServer, pid_of: PidOf
) -> None:
    assert running.is_alive()
    assert os.getsid(pid_of(running_dir)) != os.getsid(0)


def test_every_process_of_the_server_holds_the_alive_lock_until_it_ends(data_dir: Path, server: EmbeddedServer) -> None:
    lock = Folder(data_dir).alive_lock
    assert try_alone(lock) is None

    server.close()

    free = try_alone(lock)
    assert free is not None
    os.close(free)
