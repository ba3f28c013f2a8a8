"""Every query of `sql/queries` fits the migrated schema, its declared parameters, and the Struct that it fills."""

import re
import types
import typing
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from consentry.kernel.errors import Invalid
from consentry.settings import bundled
from consentry.store import queries, rows
from consentry.store.database import Database

SRC = Path(queries.__file__).parents[1]
DESCRIBED = queries.load(bundled("sql") / "queries").described
PYTHON = {
    "text": str,
    "name": str,
    "int2": int,
    "int4": int,
    "int8": int,
    "bytea": bytes,
    "timestamptz": datetime,
    "bool": bool,
    "float4": float,
    "float8": float,
    "text[]": list[str],
}


def declared(row: type[msgspec.Struct]) -> list[tuple[str, object]]:
    """Give name and type of each field; whether it may be null is nothing that a prepared statement knows."""
    hints = typing.get_type_hints(row)
    return [(name, not_null(hints[name])) for name in row.__struct_fields__]


def not_null(hint: object) -> object:
    """Give `T` for `T | None`."""
    if isinstance(hint, types.UnionType):
        (only,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
        return only
    return hint


async def test_every_query_fits_the_schema_and_its_struct(database: Database) -> None:
    wrong: list[str] = []
    async with database.connection() as connection:
        for name, query in DESCRIBED.items():
            statement = await connection.prepare(query.text)
            if len(statement.get_parameters()) != len(query.parameters):
                wrong.append(f"{name}: {len(query.parameters)} named, {len(statement.get_parameters())} taken")
            given = [(column.name, PYTHON[column.type.name]) for column in statement.get_attributes()]
            wanted = [] if query.row is None else declared(getattr(rows, query.row))
            if given != wanted:
                wrong.append(f"{name}: {query.row} has {wanted}, the query gives {given}")
    assert wrong == []


async def test_a_row_struct_is_never_narrower_than_its_not_null_columns_say(database: Database) -> None:
    """A field that says `T` and not `T | None` is filled from a column that cannot be null, where that can be told."""
    async with database.connection() as connection:
        nullable = {
            (record["table_name"], record["column_name"])
            for record in await connection.fetch(
                "select table_name, column_name from information_schema.columns "
                "where table_schema = 'public' and is_nullable = 'YES'"
            )
        }
    tables = {
        rows.RecordRow: "consent_record",
        rows.MessageRow: "message",
        rows.AttemptRow: "attempt",
        rows.CallbackRow: "callback",
        rows.SenderRow: "sender",
        rows.ClaimedRow: "message",
        rows.IdempotencyRow: "idempotency",
        rows.KeyRow: "api_key",
        rows.AccountRow: "account",
    }
    narrow = [
        f"{row.__name__}.{name}"
        for row, table in tables.items()
        for name, hint in typing.get_type_hints(row).items()
        if (table, name) in nullable and not isinstance(hint, types.UnionType)
    ]
    assert narrow == []


def test_every_row_struct_is_filled_by_a_query() -> None:
    structs = {name for name, kind in vars(rows).items() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}
    assert structs == {query.row for query in DESCRIBED.values() if query.row is not None}


def test_every_query_is_used() -> None:
    source = "\n".join(file.read_text() for file in SRC.rglob("*.py"))
    assert [name for name in DESCRIBED if f'"{name}"' not in source] == []


def test_every_query_says_why_it_exists() -> None:
    assert [name for name, query in DESCRIBED.items() if not query.text.startswith("-- ")] == []


def test_the_last_parameter_of_every_query_is_used_in_its_text() -> None:
    highest = {name: max(map(int, re.findall(r"\$(\d+)", q.text)), default=0) for name, q in DESCRIBED.items()}
    assert highest == {name: len(query.parameters) for name, query in DESCRIBED.items()}


def test_a_query_is_read_with_its_name_parameters_and_struct(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "-- name: thing_get (id, at) -> ThingRow\n-- Why.\nselect 1;\n\n-- name: thing_drop ()\n-- Because.\ndelete;\n"
    )
    found = queries.load(tmp_path)
    assert found.described["thing_get"] == queries.Query("thing_get", ("id", "at"), "ThingRow", "-- Why.\nselect 1")
    assert found["thing_drop"] == "-- Because.\ndelete"
    assert found.described["thing_drop"].row is None


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    for file in ("a.sql", "b.sql"):
        (tmp_path / file).write_text("-- name: same ()\n-- Why.\nselect 1\n")
    with pytest.raises(Invalid, match="same stands in two places"):
        queries.load(tmp_path)


def test_a_file_without_a_query_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.sql").write_text("select 1;\n")
    with pytest.raises(Invalid, match="no named query"):
        queries.load(tmp_path)


@pytest.mark.parametrize(
    "header",
    ["-- name: two", "-- name: two () - > Row", "-- name: two () -> Row, Row", "--name: two ()", "-- name two ()"],
)
def test_a_header_that_is_not_well_formed_is_refused_and_joins_no_other_query(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.sql").write_text(f"-- name: one ()\n-- Why.\nselect 1;\n\n{header}\n-- Why.\ndelete from address;\n")
    with pytest.raises(Invalid, match=r"a\.sql"):
        queries.load(tmp_path)
