"""How results are written: JSON for scripts, tables and colours for people. Errors and progress go to standard error."""

import sys
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

_PIPED_WIDTH = 200


def as_json(value: Any) -> None:
    """Write one JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def console(*, err: bool = False) -> Console:
    """Give a console that reads words as words (no markup), and does not fold lines for a reader that is a program."""
    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def table(*headings: str) -> Table:
    """Give a table without lines, so that columns can be cut by other programs."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made
