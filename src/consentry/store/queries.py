"""Reads `sql/queries/*.sql`: each statement with its name, its parameters and the Struct of its rows.

A statement opens with `-- name: noun_verb (first, second) -> RowStruct` and one comment line that says why it exists.
"""

import re
from pathlib import Path

import msgspec

from consentry.kernel.errors import Invalid

_HEADER = re.compile(r"^-- name: (\w+) \(([^)]*)\)(?: -> (\w+))?$", re.MULTILINE)
_MEANT = re.compile(r"^\s*--\s*name\b", re.MULTILINE)


class Query(msgspec.Struct, frozen=True):
    """One named statement."""

    name: str
    parameters: tuple[str, ...]
    row: str | None
    text: str


class Queries(dict[str, str]):
    """Statement text by name; `described` holds the whole of each."""

    def __init__(self, described: dict[str, Query]) -> None:
        super().__init__({name: query.text for name, query in described.items()})
        self.described = described


def load(folder: Path) -> Queries:
    """Read every file of the folder. Errors: Invalid for a name given twice, a malformed header, or a file without one."""
    described: dict[str, Query] = {}
    for file in sorted(folder.glob("*.sql")):
        for query in _parse(file):
            if query.name in described:
                raise Invalid(f"{file.name}: query {query.name} stands in two places")
            described[query.name] = query
    return Queries(described)


def _parse(file: Path) -> list[Query]:
    text = file.read_text()
    headers = list(_HEADER.finditer(text))
    if not headers:
        raise Invalid(f"{file.name} holds no named query")
    if len(headers) != len(_MEANT.findall(text)):
        raise Invalid(f"{file.name}: a header is malformed; write -- name: noun_verb (first, second) -> RowStruct")
    ends = [header.start() for header in headers[1:]] + [len(text)]
    return [
        Query(
            name=header.group(1),
            parameters=tuple(word.strip() for word in header.group(2).split(",") if word.strip()),
            row=header.group(3),
            text=text[header.end() : end].strip().rstrip(";"),
        )
        for header, end in zip(headers, ends, strict=True)
    ]
