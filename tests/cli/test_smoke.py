"""`reelwright smoke` where something is wrong: exit code and sentence. Where all is right: end_to_end/test_dev.py."""

import json
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reelwright.cli import main

REEL = "/v1/generations/1"
STAGES = [{"stage": "INGESTION", "status": "running", "progress": 0.5}]
SHOWN = {"id": "1", "status": "running", "stages": STAGES, "failure": None, "video": {"url": f"{REEL}/video"}}
TOLD = {"gate": {"passed": True}, "credits": {"charged": 1.5}}


@dataclass
class Deployment:
    """Answers each path as it was told to, at an address of its own."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(
        default_factory=lambda: {
            "/health/ready": (200, {"checks": {}}),
            "/v1/create": (202, {"generation_id": "1"}),
            REEL: (200, SHOWN | TOLD | {"status": "succeeded"}),
            f"{REEL}/video": (200, b"\0\0\0\x20ftypisom" + b"\0" * 100),
        }
    )


@pytest.fixture
def there() -> Generator[Deployment]:
    made = Deployment()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, said = made.answers[self.path]
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the server's word

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def smoke(monkeypatch: pytest.MonkeyPatch, *arguments: str, key: str = "rw_test_x") -> int:
    monkeypatch.setenv("REELWRIGHT_API_KEY", key)
    monkeypatch.setattr(sys, "argv", ["reelwright", "smoke", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


WRONG: dict[str, tuple[str, int, Any, int, str]] = {
    "not ready": ("/health/ready", 503, {"detail": "The queue is away."}, 1, "The queue is away."),
    "refused": ("/v1/create", 402, {"detail": "Buy credits."}, 2, "Buy credits."),
    "called off": (REEL, 200, SHOWN | {"status": "cancelled"}, 2, "The reel was cancelled."),
    "failed": (
        REEL,
        200,
        SHOWN | {"status": "failed", "failure": {"code": "a.b", "detail": "It broke."}},
        2,
        "It broke.",
    ),
    "never ends": (REEL, 200, SHOWN, 1, f"{REEL} has not ended after 0 s: it is running."),
    "no file": (f"{REEL}/video", 404, {"detail": "It is gone."}, 2, "It is gone."),
    "no video": (f"{REEL}/video", 200, b"<html>not a reel</html>", 2, "What was delivered is not an MP4 file."),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence_and_leaves_no_file(
    there: Deployment, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, status, said, code, sentence = WRONG[what]
    there.answers[path] = (status, said)
    out = tmp_path / "out.mp4"
    assert smoke(monkeypatch, there.url, "--within", "0", "--json", "-o", str(out)) == code
    assert capsys.readouterr() == ("", f"reelwright: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_wrong_the_same_stand_in_is_told_as_working(
    there: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert smoke(monkeypatch, there.url, "--within", "0", "-o", str(tmp_path / "out.mp4")) == 0
    assert f"{there.url} works: {tmp_path}/out.mp4, 112 bytes" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("address", "key", "code", "sentence"),
    [
        ("http://127.0.0.1:9", "rw_test_x", 1, "http://127.0.0.1:9 does not answer (ConnectError)."),
        ("api.example.com", "rw_test_x", 2, "BASE_URL: Give the base address, such as https://api.example.com."),
        ("http://127.0.0.1:9", "", 2, "--key: Set REELWRIGHT_API_KEY to an API key of that deployment."),
    ],
)
def test_who_cannot_be_asked_is_told_of(
    address: str,
    key: str,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert smoke(monkeypatch, address, key=key) == code
    assert capsys.readouterr().err == f"reelwright: {sentence}\n"
