"""Render the golden set on servers of its own: `python -m tests.golden [--only NAME ...] [--seconds N] [--out FOLDER]`.

Every input goes through the real stages with offline providers. Its video, contact sheet, gate report and story land in
the folder, and a table says what became of it; 1 where one wasn't delivered, a gate failed, or a wrong word was told.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reelwright.dev.postgres import Postgres
from reelwright.dev.valkey import Valkey
from reelwright.ground import log, migrations
from tests.conftest import FAST, new_database
from tests.golden.inputs import Golden, inputs, site
from tests.golden.making import Kitchen, Told, opened

HEAD = f"{'input':<20}{'length':>8}{'scenes':>7}{'gates':>8}{'spoken':>7}{'words/s':>8}{'told':>11}  {'took':>6}  wrong"


@contextlib.contextmanager
def served() -> Generator[str]:
    """Serve the set's pages and feed on a free port; yield the address."""
    pages: dict[str, tuple[str, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = pages.get(self.path, ("text/plain", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    pages.update(site(address))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def line(told: Told) -> str:
    """Return an input's line of the table."""
    shown = f"{told.said}/{told.given}" if told.given else str(told.said)
    return (
        f"{told.name:<20}{told.length_s:>7.1f}s{told.scenes:>7}{told.gates:>8}{told.spoken:>7.0%}{told.pace:>8.2f}"
        f"{shown:>11}  {told.took_s:>5.0f}s  {'; '.join(told.wrong) or '-'}"
    )


async def _run(kitchen: Kitchen, wanted: Sequence[Golden]) -> int:
    sys.stdout.write(HEAD + "\n")
    wrong = 0
    for one in wanted:
        told = await kitchen.cooked(one)
        wrong += bool(told.wrong)
        sys.stdout.write(line(told) + "\n")
        sys.stdout.flush()
    return 1 if wrong else 0


async def _all(folder: Path, out: Path, urls: tuple[str, str, str], wanted: Sequence[Golden], seconds: int) -> int:
    async with opened(folder, out, urls, seconds=seconds) as kitchen:
        return await _run(kitchen, wanted)


def main() -> int:
    """Run the command; return its exit code."""
    names = [one.name for one in inputs()]
    asked = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    asked.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    asked.add_argument("--seconds", type=int, default=15, help="how long each reel is (15)")
    asked.add_argument("--out", type=Path, default=Path("golden"), help="where the files go (./golden)")
    wish = asked.parse_args()
    log.configure(as_json=True, level="ERROR")
    wish.out.mkdir(parents=True, exist_ok=True)
    wanted = [one for one in inputs() if one.name in wish.only]
    with tempfile.TemporaryDirectory(prefix="reelwright-golden-") as made, contextlib.ExitStack() as servers:
        folder = Path(made)
        database, valkey = Postgres(folder / "postgres", settings=FAST), Valkey(folder / "valkey")
        for server in (database, valkey):
            server.start()
            servers.callback(server.stop)
        url = asyncio.run(new_database(database.url, "golden"))
        migrations.upgrade(url)
        address = servers.enter_context(served())
        return asyncio.run(_all(folder, wish.out, (url, valkey.url, address), wanted, wish.seconds))


if __name__ == "__main__":
    sys.exit(main())
