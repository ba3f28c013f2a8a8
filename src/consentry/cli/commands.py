"""The commands and their options; what they do stands in the files beside this one."""

from pathlib import Path
from typing import Any, Final

import click

from consentry import __version__, logs
from consentry.embedded import EmbeddedServerError
from consentry.kernel.errors import ConsentryError
from consentry.settings import Role, from_environment

_UNUSABLE: Final = 2

_data_dir = click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where data live.  [default: ./consentry-data]"
)


class _Group(click.Group):
    """Turns our errors into one line on standard error and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ConsentryError, EmbeddedServerError) as error:
            click.echo(f"consentry: {error}", err=True)
            ctx.exit(_UNUSABLE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="consentry")
def main() -> None:
    """A messaging gateway that cannot send without consent."""


@main.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.  [default: 8080]")
@_data_dir
@click.option(
    "--role", type=click.Choice(["all", "api", "worker"]), default="all", show_default=True, help="Which half to run."
)
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Written once it answers.")
def serve(host: str | None, port: int | None, data_dir: Path | None, role: Role, ready_file: Path | None) -> None:
    """Run the gateway: API and worker in one process, or one of them."""
    from consentry.cli import serve as running  # noqa: PLC0415 - other commands need no web server

    logs.configure()
    settings = from_environment(data_dir=data_dir, host=host, port=port, role=role, ready_file=ready_file)
    running.run(
        settings, lambda _, url: click.echo(f"consentry answers at {url}; data in {settings.data_dir}", err=True)
    )
