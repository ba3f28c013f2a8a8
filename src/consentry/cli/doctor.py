"""`consentry doctor`: check what a healthy gateway rests on, and say for everything else what to do."""

import asyncio
from typing import Final

from rich.text import Text

from consentry.cli import machine, output, vitals
from consentry.cli.finding import Finding, failed
from consentry.embedded import EmbeddedServerError
from consentry.settings import Settings

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run(settings: Settings, *, as_json: bool) -> int:
    """Show every finding; give 1 if one of them fails, else 0."""
    found = machine.examine(settings) + _database(settings)
    ok = all(finding.status != "fail" for finding in found)
    if as_json:
        output.as_json({"ok": ok, "checks": found})
    else:
        _show(found)
    return 0 if ok else 1


def _database(settings: Settings) -> list[Finding]:
    if settings.database_url is not None:
        return asyncio.run(vitals.examine(settings, settings.database_url))
    try:
        server = vitals.embedded(settings)
    except EmbeddedServerError as error:
        return [failed("database", error)]
    if server is None:
        return [Finding("database", "ok", "not there yet; the first start makes it")]
    try:
        return asyncio.run(vitals.examine(settings, server.dsn("app")))
    finally:
        server.close()


def _show(found: list[Finding]) -> None:
    rows = output.table("", "CHECK", "WHAT WAS SEEN")
    for finding in found:
        rows.add_row(Text(finding.status, style=_COLOURS[finding.status]), finding.name, finding.detail)
        if finding.fix:
            rows.add_row("", "", Text(f"fix: {finding.fix}", style="bold"))
    output.console().print(rows)
