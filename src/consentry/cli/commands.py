# ruff: noqa: PLC0415 - a command imports its work when it runs, so that help and errors come at once
"""The commands and their options; what they do stands in the files beside this one, one file a command."""

import sys
from pathlib import Path
from typing import Final

import click

from consentry import __version__
from consentry.cli.group import Commands
from consentry.kernel.directory import Scope
from consentry.settings import Role, from_environment

_HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_SECTIONS: Final = {
    "Start": ("demo", "serve", "doctor"),
    "Accounts and consent": ("account", "check"),
    "Operation": ("migrate", "pause", "resume", "ledger"),
}
_ENVIRONMENT: Final = """\b
Environment (options win over it):
  CONSENTRY_DATA_DIR              where data live; ./consentry-data
  CONSENTRY_DATABASE_URL          a PostgreSQL 15 to 18 of yours, as a member of consentry_app; without it: embedded
  CONSENTRY_OWNER_URL             its owner; with it, migrations are applied at the start
  CONSENTRY_MASTER_KEY            32 bytes in base64; without it: DATA_DIR/master.key, made at the first start
  CONSENTRY_HOST, CONSENTRY_PORT  where to listen; 127.0.0.1, 8080
  CONSENTRY_PUBLIC_URL            the address under which platforms reach us; webhook signatures are computed over it
  CONSENTRY_ALLOW_PRIVATE_EGRESS  1 lets callbacks go to private addresses; for development
  CONSENTRY_POLICIES_DIR          policies of your own instead of the bundled ones
"""

_data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where data live.  [env: CONSENTRY_DATA_DIR; default: ./consentry-data]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Write one JSON document instead of text.")


@click.group(cls=Commands, sections=_SECTIONS, context_settings=_HELP)
@click.version_option(__version__, "-V", "--version", prog_name="consentry")
def main() -> None:
    """A messaging gateway that cannot send without consent.

    \b
    See it work:   consentry demo     a person opts in, gets a message, says STOP
    Run it:        consentry serve    Twilio's API on port 8080, database included

    Exit codes: 0 done, 1 what was asked is not so or a step failed, 2 it cannot run. Errors are one line on stderr.
    """  # noqa: D301 - click's own mark, a backspace, for lines that must not be folded


@main.command()
@click.option("--once", is_flag=True, help="End after the story; exit code 1 if a step was not as it should be.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Keep the data here.  [default: none]"
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: a free one]")
@_json
def demo(once: bool, data_dir: Path | None, port: int, as_json: bool) -> None:
    """See it work, with nothing to configure.

    A story is played against a gateway of its own: refused, opted in, sent, STOP, refused. Everything is real, the database, the HTTP calls and the worker, but for the phones, which are simulated. After the
    story the gateway goes on, for you to send to, until Ctrl-C. Data go to a temporary folder; the environment's
    CONSENTRY_ variables are not looked at.
    """
    from consentry.cli import demo as work

    sys.exit(work.run(once=once, as_json=as_json, data_dir=data_dir, port=port))


@main.command(epilog=_ENVIRONMENT)
@click.option("--host", help="Address to listen on.  [env: CONSENTRY_HOST; default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port to listen on; 0 picks a free one.  [env: CONSENTRY_PORT; default: 8080]",
)
@_data_dir
@click.option(
    "--role",
    type=click.Choice(["all", "api", "worker"]),
    default="all",
    show_default=True,
    help="Answer requests, send what waits, or both.",
)
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Gets the URL once it answers.")
@click.option("--share-port", is_flag=True, help="Let several processes with this data directory answer on one port.")
def serve(
    host: str | None, port: int | None, data_dir: Path | None, role: Role, ready_file: Path | None, share_port: bool
) -> None:
    """Run the gateway, API and worker, in one process.

    One process uses one core. To use more, start several with the same --data-dir: with --role api, --port and
    --share-port those that answer, with --role worker those that send.

    Ctrl-C or SIGTERM ends it after what is under way; a second one at once. Logs are JSON lines on standard error; at a
    terminal they go to DATA_DIR/consentry.log instead.
    """
    from consentry.cli import banner
    from consentry.cli import serve as work

    settings = from_environment(
        data_dir=data_dir, host=host, port=port, role=role, ready_file=ready_file, share_port=share_port
    )
    with banner.shown(settings) as ready:
        work.run(settings, ready)


@main.command()
@_data_dir
@_json
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Check the installation, and say what to mend.

    Nothing is made or changed. Exit code 1 if a check fails; a warning alone is 0.
    """
    from consentry.cli import doctor as work

    sys.exit(work.run(from_environment(data_dir=data_dir), as_json=as_json))


@main.group()
def account() -> None:
    """Make accounts and API keys, and list accounts."""


@account.command("create")
@click.argument("name")
@_data_dir
@_json
def account_create(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Make an account; its sid and token are shown once."""
    from consentry.cli import accounts as work

    work.create(from_environment(data_dir=data_dir), name, as_json=as_json)


@account.command("key")
@click.argument("account_sid")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([str(s) for s in Scope]), help="Repeat it."
)
@_data_dir
@_json
def account_key(account_sid: str, name: str, scopes: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Make an API key that may do only what its scopes say.

    The secret is shown once. Example: consentry account key AC… "web shop" --scope send --scope read
    """
    from consentry.cli import accounts as work

    work.create_key(from_environment(data_dir=data_dir), account_sid, name, scopes, as_json=as_json)


@account.command("list")
@_data_dir
@_json
def account_list(data_dir: Path | None, as_json: bool) -> None:
    """List the accounts, oldest first."""
    from consentry.cli import accounts as work

    work.list_all(from_environment(data_dir=data_dir), as_json=as_json)


@main.command()
@click.argument("address")
@click.option("--purpose", default="marketing", show_default=True, help="What the message would be for.")
@click.option("--sender", metavar="XE…", help="The sender that would send it.  [default: any]")
@click.option("--account", "account_sid", metavar="AC…", help="Needed if there is more than one.")
@_data_dir
@_json
def check(
    address: str, purpose: str, sender: str | None, account_sid: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Ask whether ADDRESS may be written to now, and why.

    ADDRESS is +15551234567, whatsapp:+1555…, email:a@b.example and so on. Exit code 0 if a message may go, else 1.
    """
    from consentry.cli import check as work

    settings = from_environment(data_dir=data_dir)
    sys.exit(work.run(settings, address, purpose=purpose, sender=sender, account=account_sid, as_json=as_json))


@main.command()
@click.option("--check", is_flag=True, help="Apply nothing; exit code 1 if something is missing.")
@_data_dir
@_json
def migrate(check: bool, data_dir: Path | None, as_json: bool) -> None:
    """Bring the database's schema up to date.

    It connects with CONSENTRY_OWNER_URL, or with CONSENTRY_DATABASE_URL if that is the owner, or to the embedded server.
    """
    from consentry.cli import migrate as work

    sys.exit(work.run(from_environment(data_dir=data_dir), check=check, as_json=as_json))


@main.command()
@_data_dir
@_json
def pause(data_dir: Path | None, as_json: bool) -> None:
    """Switch all sending off, now; what is accepted waits."""
    from consentry.cli import switch as work

    work.run(from_environment(data_dir=data_dir), paused=True, as_json=as_json)


@main.command()
@_data_dir
@_json
def resume(data_dir: Path | None, as_json: bool) -> None:
    """Switch sending on again."""
    from consentry.cli import switch as work

    work.run(from_environment(data_dir=data_dir), paused=False, as_json=as_json)


@main.group()
def ledger() -> None:
    """Verify and rebuild what is kept about the ledger."""


@ledger.command("rebuild")
@click.option("--verify", is_flag=True, help="Change nothing; exit code 1 and the names if a head differs.")
@_data_dir
@_json
def ledger_rebuild(verify: bool, data_dir: Path | None, as_json: bool) -> None:
    """Compute every head from its records, and mend those that differ.

    A head is the kept state of one address; the records are the truth. Pause sending before you mend (consentry
    pause): a hand-off under way compares the version of a head, not its content.
    """
    from consentry.cli import rebuild as work

    sys.exit(work.run(from_environment(data_dir=data_dir), verify=verify, as_json=as_json))
