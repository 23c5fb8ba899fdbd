"""The command line: one name, its commands loaded when they are called, so that `--help` is instant."""

import importlib
import sys

import rich_click as click

from reelwright import __version__
from reelwright.ground.errors import Outage, Refusal

COMMANDS = {
    "make": ("reelwright.dev.commands:make", "Make a reel from TOPIC, a web page or a text file."),
    "dev": ("reelwright.dev.running:dev", "Run everything on this machine until Ctrl-C: servers, API and worker."),
    "api": (
        "reelwright.dev.commands:api",
        "Serve the REST API; settings come from the environment (see .env.example).",
    ),
    "worker": (
        "reelwright.dev.commands:worker",
        "Take deliveries; settings come from the environment (see .env.example).",
    ),
    "smoke": ("reelwright.cli.smoke:smoke", "Show that a deployment works, by making a short reel there."),
    "inspect": (
        "reelwright.cli.inspect:inspect",
        "Check any video file by the gates of a release, and draw what was found.",
    ),
    "reproduce": (
        "reelwright.cli.reproduce:reproduce",
        "Render a reel again from its manifest, and say whether the same file came out.",
    ),
    "publish": (
        "reelwright.dev.publishing:publish",
        "Put a finished reel on the operator's YouTube channel, once.",
    ),
    "db": ("reelwright.dev.database:db", "Look after the database."),
    "schedules": (
        "reelwright.dev.schedules:schedules",
        "Reels that make themselves at their times, while `reelwright dev` runs.",
    ),
    "admin": (
        "reelwright.dev.administration:admin",
        "What an operator does: accounts, their plans, boosts and keys, and what died of our own failure.",
    ),
    "doctor": ("reelwright.dev.check:doctor", "Check every dependency and setting, and say what to do."),
}


def command(name: str) -> click.Command:
    """Load a command by its name."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


class _Commands(click.RichGroup):
    """Lists its commands without loading them, and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        return click.RichCommand(name=cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, command(name) if name and listed else None, rest


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
