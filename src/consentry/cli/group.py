"""The command group: what `--help` shows in which order, and every error as one line with an exit code."""

import re
from typing import Any, Final

import click

from consentry.embedded import EmbeddedServerError
from consentry.kernel.errors import ConsentryError

UNUSABLE: Final = 2
INTERRUPTED: Final = 130
_LOG_TAIL = re.compile(r"The end of (.+):$")


class Commands(click.Group):
    """A group whose help stands in sections, and which lets no error out but as one line on standard error."""

    def __init__(self, *args: Any, sections: dict[str, tuple[str, ...]] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._sections = sections or {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in their order; a command that no section names comes at the end."""
        named = {name for names in self._sections.values() for name in names}
        rest = tuple(name for name in self.list_commands(ctx) if name not in named)
        width = max((len(name) for name in self.list_commands(ctx)), default=0)
        for title, names in (*self._sections.items(), ("Commands", rest)):
            found = [(name, self.get_command(ctx, name)) for name in names]
            limit = formatter.width - width - 6
            rows = [(name.ljust(width), command.get_short_help_str(limit)) for name, command in found if command]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what we refuse or cannot do ends with exit code 2, Ctrl-C with 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except Exception as error:
            text = explained(error)
            if text is None:
                raise
            click.echo(f"consentry: {text}", err=True)
            ctx.exit(UNUSABLE)


def explained(error: Exception) -> str | None:
    """Give an error as one line with its fix; None for a bug, whose traceback is worth more than a line."""
    if isinstance(error, (ConsentryError, EmbeddedServerError)):
        return one_line(str(error))
    if isinstance(error, OSError) and error.filename is not None and not isinstance(error, BrokenPipeError):
        return f"{error.filename}: {error.strerror}; mend that, or choose another folder with --data-dir"
    # The driver has one home, the store; what the server refuses is known here by the code that its errors carry.
    if getattr(error, "sqlstate", None) is not None:
        return one_line(f"the database refused: {error}")
    return None


def one_line(text: str) -> str:
    """Join the lines of an error; of a quoted log only its place is kept."""
    kept = [line.strip() for line in text.splitlines() if not line.startswith("  ")]
    return " ".join(_LOG_TAIL.sub(r"Its log: \1", line) for line in kept if line)
