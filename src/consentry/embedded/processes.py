"""Which processes of PostgreSQL live on a data folder, whatever a pid file says.

After a crash the number in `postmaster.pid` may be a zombie's or a stranger's. PostgreSQL itself then refuses to start,
because all it asks is whether the number exists. We ask what the process is, and where it works.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from consentry.embedded.folder import SOCKET, Folder, try_alone

READY: Final = "ready"
POLL_SECONDS: Final = 0.02
# Idle children of a killed server leave at once; one in the middle of a long computation has to be told.
_LEAVE_SECONDS: Final = 3.0
_GIVE_UP_SECONDS: Final = 20.0
_PROC: Final = Path("/proc")


class Postmaster(NamedTuple):
    """A living server: its process, where its socket is, and its status (starting, ready, stopping)."""

    pid: int
    socket_dir: Path
    status: str


def find_postmaster(folder: Folder) -> Postmaster | None:
    """Give the server that lives on the folder, or None if none does; cheap enough to ask every second."""
    try:
        # The lines: pid, data folder, start time, port, socket folder, address, shared memory, status.
        lines = (folder.pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    if not _lives_on(pid, folder):
        return None
    lines += [""] * 8  # a server that has just begun has not written all of them
    return Postmaster(pid, Path(lines[4] or folder.socket_dir), lines[7].strip())


def claim(folder: Folder) -> int:
    """Wait until no process of PostgreSQL is left on the folder, and give the alive lock, which keeps it so.

    Children outlive a killed server for a moment, and hold its shared memory. Those which do not leave are ended the way
    the server itself ends them after a crash; that loses nothing that was committed. Call it with the start lock, and
    only when there is no postmaster.
    """
    began = time.monotonic()
    told = False
    while True:
        lock = try_alone(folder.alive_lock)
        # A server that somebody started by hand holds no lock of ours, so the processes are asked too.
        left = _processes_of(folder)
        if lock is not None and not left:
            return lock
        if lock is not None:
            os.close(lock)
        waited = time.monotonic() - began
        if waited > _LEAVE_SECONDS and not told:
            told = True
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
        if waited > _GIVE_UP_SECONDS:
            who = f"process {', '.join(map(str, left))}" if left else "a process in another container or session"
            raise folder.failure(
                f"PostgreSQL still works on {folder.pgdata} without its server: {who}.",
                "Stop the other container, or end these processes (kill -QUIT), and start again. Delete no file.",
            )
        time.sleep(POLL_SECONDS)


def sweep(folder: Folder) -> None:
    """Remove what a dead server left and a new one would stumble over; only the holder of the alive lock may."""
    (folder.pgdata / "postmaster.pid").unlink(missing_ok=True)
    for name in (SOCKET, f"{SOCKET}.lock"):
        (folder.socket_dir / name).unlink(missing_ok=True)


def _processes_of(folder: Folder) -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and _lives_on(int(entry.name), folder)]


def _lives_on(pid: int, folder: Folder) -> bool:
    process = _PROC / str(pid)
    try:
        # "12 (postgres) S 1 ...": a name may hold brackets, so the last one counts.
        name, _, rest = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
        if name.partition("(")[2] != "postgres" or rest.split()[0] in {"Z", "X"}:
            return False
        try:
            # Server and children work in their data folder: the same inode, whatever path leads to it.
            return os.path.samestat((process / "cwd").stat(), folder.pgdata.stat())
        except PermissionError:
            return folder.cluster_name.encode() in (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
