"""Real servers in temporary folders, and a second process which opens the same one."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import consentry
from consentry.embedded import EmbeddedServer
from consentry.embedded.folder import Folder
from consentry.embedded.processes import _processes_of, find_postmaster

_OTHER_PROCESS = """
import sys
from pathlib import Path
from consentry.embedded import EmbeddedServer
server = EmbeddedServer.open(Path(sys.argv[1]))
print(server.dsn("app"), flush=True)
sys.stdin.readline()
server.close()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    """End what a test that failed left running, and remove its cluster: each is 40 MB, and pytest would keep them."""
    yield
    for cluster in tmp_path.glob("**/postgres/"):
        for pid in _processes_of(Folder(cluster.parent)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose cluster is made and stopped; a copy of it starts sooner than a new one."""
    path = tmp_path_factory.mktemp("made") / "data"
    EmbeddedServer.open(path).close()
    return path


@pytest.fixture
def server(made_once: Path, data_dir: Path) -> Iterator[EmbeddedServer]:
    """A server of one test, with its roles and an empty database."""
    shutil.copytree(made_once, data_dir)
    opened = EmbeddedServer.open(data_dir)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def running_dir(made_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of the server that many tests share."""
    return shutil.copytree(made_once, tmp_path_factory.mktemp("running") / "data")


@pytest.fixture(scope="session")
def running(running_dir: Path) -> Iterator[EmbeddedServer]:
    """A server that many tests share, as they all leave it running."""
    opened = EmbeddedServer.open(running_dir)
    yield opened
    opened.close()


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Run statements as a role, over a new connection, and give the first value of the last one."""

    async def run(dsn: str, *statements: str) -> Any:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return lambda server, role, *statements, dsn="": asyncio.run(run(dsn or server.dsn(role), *statements))


@pytest.fixture
def pid_of() -> Callable[[Path], int]:
    """Give the process id of the running server."""

    def find(data_dir: Path) -> int:
        running = find_postmaster(Folder(data_dir))
        assert running is not None
        return running.pid

    return find


@pytest.fixture
def kill() -> Callable[..., None]:
    """Kill processes with SIGKILL and wait until the kernel has ended them."""

    def end(*pids: int) -> None:
        watched = []
        for pid in pids:
            with suppress(ProcessLookupError):  # some end by themselves when their server is gone
                watched.append(os.pidfd_open(pid))
        for process in watched:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        for process in watched:
            assert select.select([process], [], [], 10)[0]
            os.close(process)

    return end


@pytest.fixture
def other_process() -> Callable[[Path], AbstractContextManager[subprocess.Popen[str]]]:
    """Open the server in another process: a context that gives the process, and closes its server at the end."""

    @contextmanager
    def start(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
        source = Path(consentry.__file__).parents[1]
        with subprocess.Popen(
            [sys.executable, "-c", _OTHER_PROCESS, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        ) as process:
            try:
                yield process
            finally:
                with suppress(BrokenPipeError):
                    process.communicate("close\n", timeout=30)

    return start
