"""Sends the logs of this process to a file, so that the terminal stays readable."""

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

from consentry import logs

_LONGEST: Final = 16 * 1024 * 1024
_NAME: Final = "consentry"


@contextmanager
def logging_to(file: Path, level: str = "INFO") -> Iterator[Path]:
    """Write logs as JSON lines to a file while this lasts, and put back what was before."""
    root, ours = logging.getLogger(), logging.getLogger(_NAME)
    before = (root.handlers[:], root.level, ours.level)
    stream = _LateFile(file)
    logs.configure(level, cast("TextIO", stream))
    try:
        yield file
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])
        stream.close()


class _LateFile(io.TextIOBase):
    """A text file, private to its owner, made at the first line.

    The folder of data is made by who owns its rights (the embedded server), and that is later than the first log could be.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._out: TextIO | None = None

    def write(self, text: str) -> int:
        """Append; the first call opens, and puts a long file aside so that two are the most there is."""
        if self._out is None:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._file.exists() and self._file.stat().st_size > _LONGEST:
                self._file.replace(self._file.with_suffix(".log.1"))
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._out = os.fdopen(descriptor, "a", buffering=1)
        return self._out.write(text)

    def close(self) -> None:
        """Close the file if it was ever opened."""
        if self._out is not None:
            self._out.close()
            self._out = None
        super().close()
