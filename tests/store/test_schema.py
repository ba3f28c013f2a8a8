"""`sql/schema.sql` is what the migrations come to, and the rights in it say that the ledger is append-only."""

import os
import re
from pathlib import Path

import pytest
from tests import schema
from tests.conftest import Clone


@pytest.mark.skipif("CONSENTRY_TEST_POSTGRES" in os.environ, reason="another pg_dump writes another file")
def test_the_written_schema_is_that_of_the_migrations(clone: Clone, tmp_path: Path) -> None:
    found = schema.dump(clone.url("consentry_owner"), tmp_path / "data")
    assert found == schema.FILE.read_text(), "run: python -m tests.schema"


def test_the_app_may_only_read_and_add_to_the_ledger_and_the_reader_only_read() -> None:
    grants = re.findall(r"GRANT (.*) ON TABLE public\.consent_record TO (\w+);", schema.FILE.read_text())
    assert sorted((role, rights) for rights, role in grants) == [
        ("consentry_app", "SELECT,INSERT"),
        ("consentry_reader", "SELECT"),
    ]


@pytest.mark.parametrize("table", ["account", "api_key", "sender", "installation"])
def test_the_reader_sees_no_credentials(table: str) -> None:
    grants = re.findall(rf"GRANT (.*) ON TABLE public\.{table} TO (\w+);", schema.FILE.read_text())
    assert [role for _, role in grants] == ["consentry_app"]


def test_nobody_but_the_app_and_the_reader_has_rights() -> None:
    grants = re.findall(r"^GRANT .* TO (\w+);$", schema.FILE.read_text(), re.MULTILINE)
    assert set(grants) == {"consentry_app", "consentry_reader"}
