"""What a check of `consentry doctor` comes to."""

from typing import Literal

import msgspec

from consentry.cli.group import one_line
from consentry.kernel.errors import ConsentryError

Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """One check: how it stands, what was seen, and what to do if it is not ok."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def failed(name: str, error: Exception) -> Finding:
    """Give the finding of a check that raised; our errors end with their fix, behind a semicolon."""
    if not isinstance(error, ConsentryError):
        return Finding(name, "fail", one_line(f"{type(error).__name__}: {error}"))
    what, _, fix = error.text.rpartition("; ")
    return Finding(name, "fail", what or fix, fix if what else "")
