"""`consentry pause` and `consentry resume`: the kill switch for everything that is sent."""

import click

from consentry.cli import output
from consentry.cli.session import visit
from consentry.flows import senders
from consentry.flows.ports import Ports
from consentry.settings import Settings


def run(settings: Settings, *, paused: bool, as_json: bool) -> None:
    """Throw the switch; after a pause no hand-off begins any more. Errors: Unavailable if one is still under way."""

    async def work(ports: Ports) -> None:
        await senders.pause_all(ports, paused=paused)

    visit(settings, work)
    if as_json:
        output.as_json({"sends_paused": paused})
    elif paused:
        click.echo("Sending is off: no hand-off begins any more. What is accepted waits.")
        click.echo("On again: consentry resume", err=True)
    else:
        click.echo("Sending is on: what waited goes out now, each message past the gate.")
