"""Writes sql/schema.sql, the schema that the migrations come to, to be read and reviewed: `python -m tests.schema`.

Owners are left out, rights are kept: they state that the ledger is append-only.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from consentry.embedded import EmbeddedServer
from consentry.embedded.binaries import find_runner
from consentry.embedded.folder import Folder
from consentry.settings import bundled
from consentry.store.migrate import migrate

FILE: Final = bundled("sql") / "schema.sql"
_HEAD: Final = "-- Made by `python -m tests.schema` from the migrations: to be read and reviewed, never run.\n\n"
# Frames around each object, versions, the session's settings, and a token that is new in every dump.
_NOISE: Final = re.compile(
    r"^--\n(?:-- .*\n)+--\n|^-- Dumped .*\n|^SET \w+ = .*\n|^SELECT pg_catalog\.set_config.*\n|^\\(?:un)?restrict .*\n",
    re.MULTILINE,
)


def dump(url: str, data_dir: Path) -> str:
    """Give the schema of a database in the form of the file; `data_dir` says how the binaries may be run."""
    done = find_runner(Folder(data_dir)).run("pg_dump", "--schema-only", "--no-owner", "--dbname", url)
    if done.returncode:
        raise RuntimeError(f"pg_dump failed: {done.stderr.strip()}")
    return _HEAD + re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", done.stdout)).strip() + "\n"


def main() -> None:
    """Migrate an empty database and write its schema."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        server = EmbeddedServer.open(data_dir)
        try:
            asyncio.run(migrate(server.dsn("owner"), bundled("sql")))
            FILE.write_text(dump(server.dsn("owner"), data_dir))
        finally:
            server.close()
    sys.stdout.write(f"{FILE.name} is written\n")


if __name__ == "__main__":
    main()
