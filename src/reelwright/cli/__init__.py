"""The command line: one name, its commands loaded when they are called, so that `--help` is instant."""

import importlib
import sys
from typing import Any

import rich_click as click

from reelwright import __version__
from reelwright.ground.errors import Outage, Refusal

_COMMANDS = {
    "make": "reelwright.dev.commands:make",
    "dev": "reelwright.dev.commands:dev",
    "api": "reelwright.dev.commands:api",
    "worker": "reelwright.dev.commands:worker",
    "db": "reelwright.dev.commands:db",
    "admin": "reelwright.dev.commands:admin",
    "doctor": "reelwright.dev.commands:doctor",
}


class _Commands(click.RichGroup):
    """Finds a command by its import path when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        found: Any = getattr(importlib.import_module(module), name)
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reelwright")
def group() -> None:
    """Turn a topic, an article or a URL into a captioned, narrated short video.

    Start here:  reelwright make "Why do cats purr?" -o cats.mp4
    """


def main() -> None:
    """Run a command. A refusal is one line that names the field and the remedy, and exit code 2; an outage is 1."""
    try:
        sys.exit(group(standalone_mode=False) or 0)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Refusal as refusal:
        where = f"{refusal.field}: " if refusal.field and not refusal.sentence.startswith(refusal.field) else ""
        click.echo(f"reelwright: {where}{refusal.sentence}", err=True)
        sys.exit(2)
    except Outage as outage:
        click.echo(f"reelwright: {outage.sentence}", err=True)
        sys.exit(1)
