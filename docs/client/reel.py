# ruff: noqa: INP001, T201 - a program for readers, run by its path
"""Makes a reel with the generated client: `python reel.py BASE KEY "TOPIC" OUT.mp4`."""

import sys
import time
from pathlib import Path
from uuid import uuid4

from reelwright_client import AuthenticatedClient
from reelwright_client.api.core import create, read_generation, video
from reelwright_client.models import CreateRequest

base, key, topic, out = sys.argv[1:]
client = AuthenticatedClient(base, token=key)
order = create.sync(client=client, body=CreateRequest(topic=topic, duration_s=10), idempotency_key=str(uuid4()))
while (reel := read_generation.sync(order.generation_id, client=client)).status in {"queued", "running"}:
    print(reel.status, *(f"{stage.stage} {stage.done}/{stage.total}" for stage in reel.stages), sep="  ")
    time.sleep(2)
Path(out).write_bytes(video.sync(order.generation_id, client=client).payload.read())
