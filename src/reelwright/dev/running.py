"""`reelwright dev`, and the stack that a command works with: one that runs already, or its own for the while."""

import fcntl
import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import rich_click as click

from reelwright.dev.child import open_folder
from reelwright.dev.endpoints import DATA, Endpoints
from reelwright.dev.preparing import with_users
from reelwright.dev.stack import AlreadyRunning, Stack
from reelwright.ground import log
from reelwright.ground.errors import Outage

_START_WAIT_S = 120


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The API's port; a free one by default.")
@DATA
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True, help="Worker processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready.")
def dev(port: int | None, data: Path, workers: int, as_json: bool) -> None:  # noqa: FBT001 - a flag
    """Run everything on this machine until Ctrl-C: servers, API and worker.

    Example:  reelwright dev --port 8000
    """
    log.configure(level="WARNING", as_json=False)
    with _told_to_stop(), _stack(data, port=port, workers=workers) as stack:
        there = stack.endpoints
        try:
            if as_json:
                click.echo(msgspec.json.encode(there).decode())
            else:
                click.echo(
                    f"Reelwright runs at {there.base_url}\nAPI key  {there.api_key}\n"
                    f"Data     {data.expanduser().resolve()}\n"
                    + (f"Mail     {there.mail_dir}\n" if there.mail_dir else "")
                    + f"Stripe   {there.stripe_url}\n{_what_stops_it()} stops it."
                )
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("Stopping.", err=True)


@contextmanager
def endpoints(data: Path) -> Generator[Endpoints]:
    """Give the endpoints of the stack that runs on the folder, else of one that we run until the block ends.

    Ours sells nothing, and ends when nobody else uses it any more. Raises as Stack.start does.
    """
    log.configure(level="WARNING", as_json=False)
    data = data.expanduser().resolve()
    users = os.open(open_folder(data) / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _told_to_stop():
            while True:
                fcntl.flock(users, fcntl.LOCK_SH)  # waits while an owner is closing down
                there = Stack.running(data, wait_s=_START_WAIT_S)
                if there is not None:
                    yield there
                    return
                try:
                    with _stack(data, shop=False) as stack:
                        yield stack.endpoints
                        _await_others(users)
                        return
                except AlreadyRunning:  # another command was a moment faster
                    if Stack.running(data, wait_s=_START_WAIT_S) is None:
                        raise Outage(f"The Reelwright that runs on {data} does not get ready.") from None
    finally:
        os.close(users)


def _await_others(users: int) -> None:
    """Keep the stack for the commands that use it besides us."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        click.echo("Done; waiting for another command that works with the same Reelwright.", err=True)
        fcntl.flock(users, fcntl.LOCK_EX)


def _stack(data: Path, *, port: int | None = None, workers: int = 1, shop: bool = True) -> Stack:
    return Stack(data, port=port, worker_processes=workers, shop=shop, prepare=with_users, environment=os.environ)


def _what_stops_it() -> str:
    return f"kill {os.getpid()}" if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else "Ctrl-C"


@contextmanager
def _told_to_stop() -> Generator[None]:
    """Take SIGTERM and a closed terminal for Ctrl-C, once: what closes a terminal may say it twice.

    What was ignored at the start stays so, as is usual: a closed terminal by `nohup`, Ctrl-C in a script's background.
    """
    told = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
