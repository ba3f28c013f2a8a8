"""The files of an embedded server, and the locks by which processes agree about it.

Three locks, all `flock`, so the kernel lets go of them whatever kills the holder:

- `postgres.lock`: every attached process holds it shared; who can take it alone is the last one.
- `postgres.start.lock`: held alone by the one process which makes, starts or stops the server just now.
- `postgres.alive.lock`: inherited by every process of PostgreSQL that works on the data. It is free only when none of
  them lives, also where their ids cannot be seen (another container on the same volume).
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PORT: Final = 5432
SOCKET: Final = f".s.PGSQL.{PORT}"
# sockaddr_un holds 108 bytes with the final zero; PostgreSQL adds nothing, drivers may.
_LONGEST_SOCKET: Final = 100
_TAIL_LINES: Final = 10
_TAIL_BYTES: Final = 8192


class EmbeddedServerError(RuntimeError):
    """The embedded server cannot do it; the text names what failed, the end of its log, and what to do."""


def _usable(socket_dir: Path) -> bool:
    """Tell whether a socket can be made and named there: drivers read a comma as the start of another host."""
    return len(os.fsencode(socket_dir / SOCKET)) <= _LONGEST_SOCKET and "," not in str(socket_dir)


class Folder:
    """The paths under one data directory; nothing is made or touched by naming them."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir.resolve()
        self.pgdata = self.root / "postgres"
        self.unfinished = self.root / "postgres.new"
        self.passwords = self.root / "postgres.json"
        self.log = self.root / "postgres.log"
        self.attached_lock = self.root / "postgres.lock"
        self.start_lock = self.root / "postgres.start.lock"
        self.alive_lock = self.root / "postgres.alive.lock"
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        # Stands in the command line of every server process, which can be read where /proc/<pid>/cwd cannot.
        self.cluster_name = f"consentry-{digest}"
        shorter = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - the folder made there is ours alone, or refused
        places = (self.root / "run", *(Path(place) / f"consentry-{digest}" for place in shorter))
        self.socket_dir = next((place for place in places if _usable(place)), places[-1])

    def failure(self, what: str, fix: str) -> EmbeddedServerError:
        """Give the error to raise: what failed, the last lines of the server's log, and the fix."""
        tail = "".join(f"\n  {line}" for line in self._log_tail())
        shown = f"\nThe end of {self.log}:{tail}" if tail else ""
        return EmbeddedServerError(f"{what}{shown}\n{fix}")

    def _log_tail(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return log.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
        except OSError:
            return []


def make_private(path: Path, uid: int) -> None:
    """Make a folder that only its owner enters, or accept the one that is there if it is exactly that.

    In the shared temporary folder somebody else may have put a folder or a link under this name first.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), uid} or found.st_mode & 0o077:
        raise EmbeddedServerError(
            f"{path} is not a folder of this user with rights 0700, so the server's socket is not safe there."
            "\nRemove it, or run `chmod 700` on it if it is yours."
        )


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Hold a lock that nobody else holds, waiting for it; it works between threads as between processes."""
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def take_shared(path: Path) -> int:
    """Take a lock together with others; closing the descriptor gives it back."""
    lock = _open_lock(path)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def try_alone(path: Path) -> int | None:
    """Take a lock alone if nobody holds it, else give None; closing the descriptor gives it back."""
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
