"""What `consentry serve` shows to a person at a terminal; a program that reads the stream gets JSON lines instead."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from consentry import __version__, logs
from consentry.cli.logfile import logging_to
from consentry.settings import Settings


@contextmanager
def shown(settings: Settings) -> Iterator[Callable[[Any, str], None]]:
    """Choose by who reads standard error, and lend what is to be called with the process and URL once it answers."""
    if not sys.stderr.isatty():
        logs.configure()
        yield lambda _process, _url: None
        return
    first = settings.database_url is None and not (settings.data_dir / "postgres").exists()
    more = "; the first start makes the database, which takes some seconds" if first else ""
    click.echo(f"Consentry {__version__} starts{more}.", err=True)
    with logging_to(settings.data_dir / "consentry.log"):
        yield lambda _process, url: click.echo(lines(settings, url), err=True)
    click.echo("Stopped. What was accepted is kept.", err=True)


def lines(settings: Settings, url: str) -> str:
    """Say what answers where, and where data, credentials and logs are."""
    folder = settings.data_dir
    database = "CONSENTRY_DATABASE_URL" if settings.database_url else "embedded, in the data folder"
    rows = [
        ("Twilio's API", f"{url}/2010-04-01   (set it as the base URL of the SDK)"),
        ("own API", f"{url}/v1   (described at {url}/schema)"),
        ("webhooks", f"{url}/webhooks/PROVIDER/SENDER"),
        ("health", f"{url}/livez  {url}/readyz  {url}/metrics"),
        ("credentials", f"{folder / 'credentials.json'}   (account_sid, auth_token)"),
    ]
    if settings.role == "worker":
        rows = [("role", "worker: sends what waits, answers no requests")]
    rows += [("data", str(folder)), ("database", database), ("logs", str(folder / "consentry.log"))]
    head = "Consentry runs." if settings.role == "worker" else f"Consentry answers at {url}"
    return "\n".join([head, *(f"  {name:<14}{text}" for name, text in rows), "Ctrl-C stops it."])
