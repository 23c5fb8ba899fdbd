"""Proves docs/client: generates it from a server of our own and makes a reel with it: `python -m tests.client`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

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


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", START, "dev", "--json", "--data", folder / "data"]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            client = generated(told["base_url"], folder)
            reel = folder / "cats.mp4"
            program = [sys.executable, DOCS / "reel.py", told["base_url"], told["api_key"], "Why do cats purr?", reel]
            subprocess.run(program, check=True, env={"PYTHONPATH": str(client), "PATH": ""}, timeout=PATIENCE_S)
            assert reel.read_bytes()[4:8] == b"ftyp"
            print(f"{reel.stat().st_size} bytes of a reel by the generated client")  # noqa: T201 - a command
        finally:
            server.terminate()
            server.wait(PATIENCE_S)


if __name__ == "__main__":
    main()
