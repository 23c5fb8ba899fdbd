"""Programs that are loaded together, before their surroundings are known, and become processes of their own."""

import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reelwright.dev import child
from reelwright.dev.loader import Forked, Loader
from reelwright.dev.program import Program
from reelwright.dev.stack import at_once
from tests.waiting import block_until

STANDIN = """\
import http.server, os, pathlib, sys
loads = pathlib.Path(__file__).with_suffix(".loads")
loads.open("a").write("loaded\\n")

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        told = [sorted(k for k in os.environ if k.startswith("GIVEN")), os.getpgid(0) == os.getpid(), sys.argv[1:-2]]
        self.wfile.write(repr(told).encode())

    def log_message(self, *_): pass

def main():
    print("here", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers).serve_forever()

if __name__ == "__main__":
    main()
"""
FUNCTIONS = """\
def noted(argument):
    noted.seen = argument

def told(argument):
    return {"given": argument, "seen": noted.seen}

def failing(argument):
    raise RuntimeError("no")
"""


class Standin:
    """What is loaded, in its folder, and what was started from there."""

    def __init__(self, folder: Path) -> None:
        (folder / "standing_in.py").write_text(STANDIN)
        (folder / "called_here.py").write_text(FUNCTIONS)
        self.folder = folder
        self.given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "GIVEN_EARLY": "1"}
        self.loader = self.loading("noted", "told")
        self.begun: list[Program] = []

    def loading(self, *functions: str) -> Loader:
        return Loader(
            first=["called_here"],
            functions=[f"called_here:{name}" for name in functions],
            then=["standing_in"],
            log=self.folder / "loading.log",
            environment=self.given,
        )

    def program(self, name: str) -> tuple[Program, int]:
        told = {key: value for key, value in self.given.items() if key != "GIVEN_EARLY"} | {"GIVEN_LATE": "2"}
        port, command = child.free_port(), (sys.executable, "-m", "standing_in", "--quiet")
        log = self.folder / f"{name}.log"
        self.begun.append(Program(name, command, port=port, environment=told, log=log, loader=self.loader))
        self.begun[-1].start()
        self.begun[-1].await_ready()
        return self.begun[-1], port

    @property
    def loads(self) -> int:
        return len((self.folder / "standing_in.loads").read_text().splitlines())

    def stop(self) -> None:
        for program in self.begun:
            program.stop()
        self.loader.stop()


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    standing = Standin(tmp_path)
    try:
        yield standing
    finally:
        standing.stop()


def answer(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answered:
        return answered.read().decode()


def test_programs_load_once_and_each_runs_with_its_own_surroundings_log_and_group(standin: Standin) -> None:
    (one, first), (other, second) = standin.program("one"), standin.program("other")

    assert (standin.loads, one.pid != other.pid) == (1, True)
    assert answer(first) == answer(second) == "[['GIVEN_LATE'], True, ['--quiet']]"
    assert (standin.folder / "one.log").read_text() == (standin.folder / "other.log").read_text() == "here\n"

    one.stop()
    assert (one.alive, other.alive) == (False, True)
    block_until(lambda: not Path(f"/proc/{one.pid}").exists())  # the loader, whose child it is, lets go of it


def test_what_died_is_loaded_anew_by_itself(standin: Standin) -> None:
    program, port = standin.program("one")
    os.kill(program.pid, signal.SIGKILL)
    block_until(lambda: not program.alive)

    program.start()
    program.await_ready()
    assert (standin.loads, answer(port)) == (2, "[['GIVEN_LATE'], True, ['--quiet']]")


def test_nothing_outlives_its_loader_nor_waits_for_it(standin: Standin) -> None:
    program, _ = standin.program("one")
    os.kill(standin.loader.pid, signal.SIGKILL)
    block_until(lambda: not program.alive)

    alone, port = standin.program("alone")
    assert alone.alive
    assert answer(port).startswith("[['GIVEN_LATE']")


def test_functions_are_called_in_order_and_the_last_one_answers(standin: Standin) -> None:
    assert standin.loader.called("where") == {"given": "where", "seen": "where"}


def test_a_function_that_fails_answers_nothing_and_says_why_in_the_log(standin: Standin) -> None:
    loader = standin.loading("noted", "failing")
    try:
        assert loader.called("where") is None
        block_until(lambda: "RuntimeError: no" in (standin.folder / "loading.log").read_text())
    finally:
        loader.stop()


def test_a_deaf_process_is_killed_after_its_grace(standin: Standin, tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, pathlib\ndef main():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    print('deaf', flush=True)\n    signal.pause()\n"
    )
    log = tmp_path / "deaf.log"
    forked: Any = standin.loader.become("deaf", [sys.executable, "-m", "deaf"], log=log, environment=standin.given)
    assert isinstance(forked, Forked)
    block_until(lambda: log.exists() and log.read_text() == "deaf\n")

    forked.stop(grace_s=0.1)
    assert not forked.alive


@pytest.mark.parametrize(
    ("cores", "workers", "each"), [(None, 1, 2), (1, 1, 2), (4, 1, 4), (4, 3, 2), (12, 2, 6), (64, 1, 8)]
)
def test_every_core_renders_and_none_twice(
    cores: int | None, workers: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert at_once(workers) == each
