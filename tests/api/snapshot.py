"""Writes tests/api/openapi.json anew, so that a change of the contract is seen: `python -m tests.api.snapshot`."""

import functools
import json
from pathlib import Path
from typing import Any

from reelwright.api import contract
from reelwright.app import create_app
from reelwright.settings import Settings

FILE = Path(__file__).with_name("openapi.json")
NOWHERE = Settings(
    environment="test",
    database_url="postgresql://127.0.0.1:9/none",
    redis_url="redis://127.0.0.1:9",
    storage_url="file:///nowhere",
    worker_url="http://127.0.0.1:9",
    qstash_token="token",
    qstash_current_signing_key="sig_test_current_key_of_32_chars__",
)


@functools.cache
def present() -> dict[str, Any]:
    """Return the contract as it is now, without the version, which every release changes."""
    document = contract.document(create_app(NOWHERE))
    document["info"]["version"] = "as released"
    return json.loads(json.dumps(document))


def written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(present()), encoding="utf-8")
    print(f"{FILE.name}: {len(present()['paths'])} paths")  # noqa: T201 - a command
