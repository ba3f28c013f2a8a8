"""Start, attach to, restart and stop the embedded server; many processes may share one."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, urlencode

from consentry.embedded import cluster
from consentry.embedded.binaries import Runner, find_runner
from consentry.embedded.folder import (
    PORT,
    EmbeddedServerError,
    Folder,
    held_alone,
    make_private,
    take_shared,
    try_alone,
)
from consentry.embedded.processes import POLL_SECONDS, READY, Postmaster, claim, find_postmaster, sweep

# Recovery after a crash replays up to max_wal_size, which takes a slow disk minutes.
_START_SECONDS: Final = 300
_STOP_SECONDS: Final = 120
_LOG_BYTES: Final = 16 * 1024 * 1024


class EmbeddedServer:
    """A PostgreSQL of our own in a data directory, shared by the processes which have it open.

    The first one to open it starts it and the last one to close it stops it. A process that dies without `close`
    (kill -9) leaves the server running: the next `open` attaches to it, and the last `close` after that stops it. Every
    process opens its own; an instance must not be carried over a fork. Methods block, and may be called from threads.
    """

    def __init__(self, folder: Folder, runner: Runner, attached: int) -> None:
        self._folder = folder
        self._runner = runner
        self._attached: int | None = attached
        self._passwords: dict[str, str] = {}
        self._socket_dir = folder.socket_dir

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Give the running server of a data directory: made if new, started if it does not run, else attached to.

        Errors: EmbeddedServerError, whose text says what to do.
        """
        folder = Folder(data_dir)
        with _explained(folder):
            runner = find_runner(folder)
            with held_alone(folder.start_lock):
                server = cls(folder, runner, take_shared(folder.attached_lock))
                try:
                    server._bring_up(create=True)
                except BaseException:
                    server._leave()
                    raise
                return server

    def dsn(self, role: str) -> str:
        """Give the URL, password included, by which `owner`, `app` or `reader` connects to the database."""
        name = cluster.ROLES[role]
        place = urlencode({"host": str(self._socket_dir), "port": PORT}, quote_via=quote)
        return f"postgresql://{name}:{quote(self._passwords[name], safe='')}@/{cluster.DATABASE}?{place}"

    def is_alive(self) -> bool:
        """Tell if the server's process lives. It may still be starting or stopping."""
        return find_postmaster(self._folder) is not None

    def ensure_running(self) -> bool:
        """Start the server again if it died, and tell if this call did; of many at once, one does.

        It never begins an empty database: data that is gone is an error. Errors: EmbeddedServerError.
        """
        if self._attached is not None and self._ready():
            return False
        with _explained(self._folder), held_alone(self._folder.start_lock):
            if self._attached is None:
                raise EmbeddedServerError("The embedded server was closed by this process.\nOpen it again.")
            return self._bring_up(create=False)

    def close(self) -> None:
        """Leave the server, and stop it if nobody else has it open; a second call does nothing."""
        with _explained(self._folder), held_alone(self._folder.start_lock):
            if self._attached is None:
                return
            self._leave()
            last = try_alone(self._folder.attached_lock)
            if last is None:
                return
            try:
                self._stop()
            finally:
                os.close(last)

    def _bring_up(self, *, create: bool) -> bool:
        """Attach or start, under the start lock; tell if it was started."""
        running = self._settled()
        if running is None:
            alive = claim(self._folder)
            try:
                sweep(self._folder)
                self._passwords = cluster.prepare(self._folder, self._runner, alive, create=create)
                self._start(alive)
            finally:
                os.close(alive)
            self._socket_dir = self._folder.socket_dir
            return True
        passwords = cluster.read_passwords(self._folder)
        if passwords is None:
            raise self._folder.failure(
                f"The server runs, but the file of its passwords, {self._folder.passwords}, is gone.",
                f"Stop it (kill -INT {running.pid}) and start again: new passwords are then set.",
            )
        self._passwords = passwords
        # What the server wrote, not what we would choose: the process which started it may have another TMPDIR.
        self._socket_dir = running.socket_dir
        return False

    def _ready(self) -> bool:
        running = find_postmaster(self._folder)
        if running is None or running.status != READY:
            return False
        self._socket_dir = running.socket_dir
        return True

    def _settled(self) -> Postmaster | None:
        """Wait out a start or a stop which another process began, and give the server or None."""
        deadline = time.monotonic() + _START_SECONDS
        while (running := find_postmaster(self._folder)) and running.status != READY:
            if time.monotonic() > deadline:
                raise self._folder.failure(
                    f"The server (process {running.pid}) is {running.status or 'starting'} for too long.",
                    "Look at its log; if it waits for nothing you know, stop it with kill -INT and start again.",
                )
            time.sleep(POLL_SECONDS)
        return running

    def _start(self, alive: int) -> None:
        folder = self._folder
        make_private(folder.socket_dir, self._runner.uid)
        self._runner.own(folder.socket_dir)
        quoted = str(folder.socket_dir).replace('"', '""')
        settings = {
            # On the command line, so that no file can open a port or move the socket.
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            "cluster_name": folder.cluster_name,
        }
        options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        arguments = ("start", "-w", "-s", "-t", str(_START_SECONDS), "-o", options)
        log = self._open_log()
        try:
            # pg_ctl gives the server a session of its own, so a Ctrl-C meant for us leaves it alone until we drained.
            done = self._runner.run(
                "pg_ctl", *arguments, pgdata=folder.pgdata, keep=alive, log=log, seconds=_START_SECONDS + 30
            )
        finally:
            os.close(log)
        if done.returncode:
            raise folder.failure(
                "The embedded server did not start.",
                "The log says why: often a full disk, or too little shared memory. Put it right and start again.",
            )

    def _stop(self) -> None:
        if find_postmaster(self._folder) is None:
            return
        arguments = ("stop", "-m", "fast", "-w", "-s", "-t", str(_STOP_SECONDS))
        done = self._runner.run("pg_ctl", *arguments, pgdata=self._folder.pgdata, seconds=_STOP_SECONDS + 30)
        if done.returncode and find_postmaster(self._folder) is not None:
            raise self._folder.failure(
                f"The embedded server did not stop: {done.stderr.strip()}",
                "It goes on by itself, and nothing committed is lost; the next start attaches to it or waits for it.",
            )

    def _open_log(self) -> int:
        """Open the log to append; a long one is put aside first, so that two files are the most there is."""
        path = self._folder.log
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _leave(self) -> None:
        if self._attached is not None:
            os.close(self._attached)
            self._attached = None


@contextmanager
def _explained(folder: Folder) -> Iterator[None]:
    """Turn what the system says no to into the one error of this module."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise folder.failure(
            f"The embedded server cannot use {folder.root}: {error}",
            "Give this user a folder of its own (--data-dir) on a disk with room, or set CONSENTRY_DATABASE_URL.",
        ) from error
