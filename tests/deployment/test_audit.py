"""The audit counts what it looked up: a service that is away, or knows nothing of a part, is not a clean answer."""

import importlib.util
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reelwright.dev.child import free_port
from tests.deployment.conftest import ROOT

_spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
assert _spec is not None
assert _spec.loader is not None
audit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit)

HOLE = {
    "id": "TEST-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "made up",
    "details": "made up",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "jinja2"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9"}]}],
            "versions": ["2.10"],
        }
    ],
}


class _Advisories(BaseHTTPRequestHandler):
    """Speaks OSV's query: one hole, in one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"vulns": [HOLE]} if asked["package"]["name"] == "jinja2" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Advisories) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        server.shutdown()


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(audit.here('jinja2==2.10\nmsgspec==0.22.0\ncolorama==0.4.6 ; sys_platform == "win32"\n'))
    return file


def test_every_part_looked_up_is_counted_and_a_hole_is_named(requirements: Path, service: str) -> None:
    assert audit.audited(requirements, service) == ({"jinja2", "msgspec"}, ["jinja2 2.10: TEST-2026-1"])


def test_without_a_service_nothing_was_audited(requirements: Path) -> None:
    assert audit.audited(requirements, f"http://127.0.0.1:{free_port()}/v1/query") == (set(), [])


def test_the_list_of_parts_names_each_with_its_version(requirements: Path, tmp_path: Path) -> None:
    sbom = tmp_path / "build/sbom.json"
    assert audit.listed(requirements, sbom) == 2
    parts = json.loads(sbom.read_text(encoding="utf-8"))["components"]
    assert {(part["name"], part["version"]) for part in parts} == {("jinja2", "2.10"), ("msgspec", "0.22.0")}


@pytest.mark.parametrize(("told", "passes", "says"), [(0, True, ""), (1, False, ""), (3, True, "NOT AUDITED")])
def test_a_hole_ends_the_checks_of_a_change_and_an_audit_without_a_service_is_told(
    told: int, says: str, tmp_path: Path, *, passes: bool
) -> None:
    """`uv` is a stand-in that does nothing but answer for the audit."""
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\ncase "$*" in *audit.py*) exit {told};; *pytest*) echo tested;; esac\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    run = subprocess.run([ROOT / ".ci/run"], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (run.returncode, "tested" in run.stdout) == (0 if passes else told, passes), run.stderr
    assert says in run.stderr
