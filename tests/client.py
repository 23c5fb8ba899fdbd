"""Proves docs/client: makes a reel with the client generated from our own server, and hears of it by a webhook.

`python -m tests.client`
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import httpx

from reelwright.dev.child import free_port

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs/client"
PATIENCE_S = 600
START = "from reelwright.cli import main; main()"


def generated(base: str, folder: Path) -> Path:
    """Generate the client into a folder and return where it can be imported from."""
    place, contract = folder / "client", folder / "openapi.json"
    contract.write_bytes(httpx.get(f"{base}/schema/openapi.json", trust_env=False).content)
    generator = Path(sys.executable).with_name("openapi-python-client")
    told = subprocess.run(
        [
            generator,
            "generate",
            "--path",
            contract,
            "--config",
            DOCS / "openapi-python-client.yaml",
            "--output-path",
            place,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert "omitted" not in told.stdout + told.stderr, told.stdout + told.stderr
    return place


@contextlib.contextmanager
def receiving(told: dict[str, str], port: int) -> Generator[subprocess.Popen[str]]:
    """Run the receiver at an endpoint that the server knows of."""
    key = {"Authorization": f"Bearer {told['api_key']}", "Idempotency-Key": "mine"}
    where = {"url": f"http://127.0.0.1:{port}/reels"}
    made = httpx.post(f"{told['base_url']}/v1/webhooks", headers=key, json=where, trust_env=False).raise_for_status()
    program = [sys.executable, DOCS / "receiver.py", str(port), made.json()["secret"]]
    receiver = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        yield receiver
    finally:
        receiver.kill()
        receiver.wait()


def main() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", START, "dev", "--json", "--data", folder / "data"]
        private = os.environ | {"REELWRIGHT_WEBHOOK_ALLOWLIST": f"127.0.0.1:{port}"}
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=private)
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            client = generated(told["base_url"], folder)
            reel = folder / "cats.mp4"
            program = [sys.executable, DOCS / "reel.py", told["base_url"], told["api_key"], "Why do cats purr?", reel]
            with receiving(told, port) as receiver:
                subprocess.run(program, check=True, env={"PYTHONPATH": str(client), "PATH": ""}, timeout=PATIENCE_S)
                assert reel.read_bytes()[4:8] == b"ftyp"
                print(f"{reel.stat().st_size} bytes of a reel by the generated client")  # noqa: T201 - a command
                assert receiver.stdout is not None
                heard = receiver.stdout.readline()
                assert heard.startswith("generation.succeeded {"), heard
                print(heard, end="")  # noqa: T201 - the same
        finally:
            server.terminate()
            server.wait(PATIENCE_S)


if __name__ == "__main__":
    main()
