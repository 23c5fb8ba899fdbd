"""`reelwright dev`: a worker killed in the middle of a reel costs time alone; smoke and the typed client work there."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.client import ROOT, generated
from tests.end_to_end.conftest import Dev, reelwright

README = ROOT / "README.md"
RUNS = "SELECT id, state, attempt, fence, won_fence FROM stage_runs WHERE generation_id = $1"
TWICE = (
    "SELECT run_id FROM usage_ledger GROUP BY run_id HAVING count(DISTINCT fence) > 1 OR count(*) > max(call_no) + 1"
)
ORDER = {"topic": "Why do cats purr?", "duration_s": 10, "aspect": "1:1", "music": "none"}


async def asked(dev: Dev, query: str, *values: object) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(dev.told["database_url"])
    try:
        return [dict(row) for row in await connection.fetch(query, *values)]
    finally:
        await connection.close()


def follow(client: httpx.Client, generation: str, *, until: str, after: str = "0") -> tuple[str, list[int]]:
    """Read the event stream until an event, resuming where it breaks; return the last event and all ids in order."""
    ids: list[int] = []
    while True:
        headers = {"Last-Event-ID": str(ids[-1]) if ids else after}
        with client.stream("GET", f"/v1/generations/{generation}/events", headers=headers, timeout=120) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            event = ""
            for line in stream.iter_lines():
                if line.startswith("id: "):
                    ids.append(int(line[4:]))
                if line.startswith("event: "):
                    event = line[7:]
                if line.startswith("data: ") and (until in line + event or event in {"succeeded", "failed"}):
                    return event, ids


async def test_a_killed_worker_costs_time_and_nothing_else(dev: Dev) -> None:
    others = len(await asked(dev, "SELECT 1 FROM generations"))
    with dev.client as client:
        key = {"Idempotency-Key": "one-and-the-same"}
        first = client.post("/v1/create", json=ORDER, headers=key)
        again = client.post("/v1/create", json=ORDER, headers=key)
        assert (first.status_code, again.status_code) == (202, 202), (first.text, again.text)
        assert again.json()["generation_id"] == first.json()["generation_id"]
        generation = first.json()["generation_id"]

        await asyncio.to_thread(follow, client, generation, until="VIDEO_ASSEMBLY")  # of all stages it takes longest
        done = {row["id"]: row["fence"] for row in await asked(dev, RUNS, generation) if row["state"] == "succeeded"}
        os.kill(dev.told["pids"]["worker"], signal.SIGKILL)
        last, ids = await asyncio.to_thread(follow, client, generation, until="nothing else")

        assert last == "succeeded", client.get(f"/v1/generations/{generation}").json()["failure"]
        assert ids == list(range(1, len(ids) + 1))
        video = client.get(f"/v1/generations/{generation}/video", headers={"Range": "bytes=4-7"})
        assert (video.status_code, video.content) == (206, b"ftyp")
        whole = client.get(f"/v1/generations/{generation}/video")
        etag = whole.headers["ETag"]
        unchanged = client.get(f"/v1/generations/{generation}/video", headers={"If-None-Match": etag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")

    runs = await asked(dev, RUNS, generation)
    assert {run["state"] for run in runs} == {"succeeded"}
    assert all(run["fence"] == run["won_fence"] for run in runs)
    assert max(run["attempt"] for run in runs) > 1, "the kill hit nothing"
    assert {run["id"]: run["fence"] for run in runs if run["id"] in done} == done
    doubled = await asked(dev, TWICE)
    assert doubled == []
    assert len(await asked(dev, "SELECT 1 FROM generations")) == others + 1


def test_a_new_user_is_made_beside_a_running_stack_and_a_second_stack_is_refused(dev: Dev) -> None:
    made = reelwright("admin", "create-user", "new@example.com", "--plan", "pro", "--data", str(dev.data), "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    headers = {"Authorization": f"Bearer {told['api_key']}", "Idempotency-Key": "k"}
    assert {
        "base_url",
        "worker_url",
        "api_key",
        "admin_api_key",
        "database_url",
        "redis_url",
        "qstash_url",
        "pids",
    } <= set(dev.told)
    answer = httpx.get(f"{told and dev.told['base_url']}/v1/drafts/{told['user_id']}", headers=headers, trust_env=False)
    assert answer.status_code == 404

    twice = reelwright("admin", "create-user", "new@example.com", "--data", str(dev.data), "--json")
    assert (twice.returncode, "email" in twice.stderr) == (2, True)
    second = reelwright("dev", "--data", str(dev.data), timeout=30)
    assert second.returncode == 2
    assert dev.told["base_url"] in second.stderr


def test_smoke_makes_a_reel_from_outside_and_saves_it(dev: Dev, tmp_path: Path) -> None:
    reel, key = tmp_path / "smoke.mp4", {"REELWRIGHT_API_KEY": dev.told["api_key"]}
    done = reelwright("smoke", dev.told["base_url"], "--json", "-o", str(reel), **key)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["gate"], told["video"], told["bytes"]) == (True, str(reel), reel.stat().st_size)
    assert told["credits"] > 0
    assert reel.read_bytes()[4:8] == b"ftyp"
    assert [path.name for path in tmp_path.iterdir()] == ["smoke.mp4"]


def test_the_typed_client_of_the_readme_orders_and_reads(dev: Dev, tmp_path: Path) -> None:
    """The program is the README's, word for word; docs/client's longer one is proved by `python -m tests.client`."""
    program = re.search(r"python - \"\$BASE\" \"\$KEY\" <<'END'\n(.*?)\nEND\n", README.read_text(), re.DOTALL)
    assert program is not None
    client = generated(dev.told["base_url"], tmp_path)
    command = [sys.executable, "-c", program[1], dev.told["base_url"], dev.told["api_key"]]
    surroundings = {"PYTHONPATH": str(client), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"queued", "running"}
    with dev.client as asking:
        newest = asking.get("/v1/generations", params={"limit": 1}).json()["generations"][0]
        assert asking.post(f"/v1/generations/{newest['id']}/cancel").status_code == 202
