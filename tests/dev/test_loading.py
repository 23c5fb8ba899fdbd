"""A program that loads before its surroundings are known."""

import os
import sys
import urllib.request
from pathlib import Path

import pytest

from reelwright.dev import child
from reelwright.dev.program import Program
from reelwright.dev.stack import at_once
from tests.waiting import block_until

STANDIN = """\
import http.server, os, pathlib, sys
loads = pathlib.Path(__file__).with_suffix(".loads")
loads.open("a").write("loaded\\n")
if (dies := loads.with_suffix(".dies")).exists():
    dies.unlink()
    sys.exit("no")

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(repr(sorted(k for k in os.environ if k.startswith("GIVEN"))).encode())

    def log_message(self, *_): pass

def main():
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answers).serve_forever()

if __name__ == "__main__":
    main()
"""


class Loaded:
    def __init__(self, folder: Path) -> None:
        (folder / "standing_in.py").write_text(STANDIN)
        self.folder, self.port = folder, child.free_port()
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "GIVEN_EARLY": "1"}
        command = (sys.executable, "-m", "standing_in", "--quiet")
        self.program = Program("standin", command, port=self.port, environment=given, log=folder / "log")
        self.told = {**given, "GIVEN_LATE": "2"}
        del self.told["GIVEN_EARLY"]

    @property
    def loads(self) -> int:
        file = self.folder / "standing_in.loads"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def answer(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/") as answer:
            return answer.read().decode()


@pytest.fixture
def standin(tmp_path: Path) -> Loaded:
    return Loaded(tmp_path)


def test_what_has_loaded_is_told_its_surroundings_and_keeps_none_of_the_first_ones(standin: Loaded) -> None:
    standin.program.load()
    block_until(lambda: standin.loads == 1)
    pid = standin.program.pid

    standin.program.works_in(standin.told)
    standin.program.start()
    try:
        standin.program.await_ready()
        assert (standin.program.pid, standin.loads, standin.answer()) == (pid, 1, "['GIVEN_LATE']")
    finally:
        standin.program.stop()
    assert not standin.program.alive


def test_what_died_while_it_loaded_is_started_anew(standin: Loaded) -> None:
    (standin.folder / "standing_in.dies").touch()
    standin.program.load()
    block_until(lambda: not standin.program.alive)

    standin.program.works_in(standin.told)
    standin.program.start()
    try:
        standin.program.await_ready()
        assert (standin.loads, standin.answer()) == (2, "['GIVEN_LATE']")
    finally:
        standin.program.stop()


def test_what_nobody_wants_any_more_ends_without_having_run(standin: Loaded) -> None:
    standin.program.load()
    block_until(lambda: standin.loads == 1)
    standin.program.stop()
    assert not standin.program.alive
    assert (standin.folder / "log").read_text() == ""


@pytest.mark.parametrize(
    ("cores", "workers", "each"), [(None, 1, 2), (1, 1, 2), (4, 1, 4), (4, 3, 2), (12, 2, 6), (64, 1, 8)]
)
def test_every_core_renders_and_none_twice(
    cores: int | None, workers: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert at_once(workers) == each
