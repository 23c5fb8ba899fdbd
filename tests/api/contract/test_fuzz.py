"""A slice of what `python -m tests.fuzz` does at length: each operation, well by who may, badly by them or nobody."""

import asyncio
import os
import time

import pytest
from schemathesis import GenerationMode

from tests.api.fuzzing import Fuzz

SEED = int(os.environ.get("REELWRIGHT_FUZZ_SEED", "20261121"))
MINUTES = float(os.environ.get("REELWRIGHT_FUZZ_MINUTES", "0"))
WELL, BADLY = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


# the app's own thread uses `random` while a strategy draws in another one
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_every_answer_is_in_the_contract(fuzz: Fuzz) -> None:
    """No bug, no status, code, header or field that isn't told of, and nothing wrong that is taken for right."""
    operations = fuzz.operations()
    assert len(operations) > 60
    until = time.monotonic() + 60 * MINUTES

    def ask() -> None:
        for number, operation in enumerate(operations):
            may = "admin" if operation.path.startswith("/v1/admin/") else "user"
            fuzz.ask(operation, may, WELL, seed=SEED, examples=1)
            fuzz.ask(operation, "nobody" if number % 4 == 0 else may, BADLY, seed=SEED, examples=1)
        for turn in range(1, 1_000_000):
            for operation in operations:
                for role in ("user", "admin", "nobody"):
                    if time.monotonic() > until:
                        return
                    for mode in (WELL, BADLY):
                        fuzz.ask(operation, role, mode, seed=SEED + turn, examples=5)

    await asyncio.to_thread(ask)
    assert not fuzz.failures, "\n\n".join(f"{name}\n{told}" for name, told in fuzz.failures.items())
    assert sum(fuzz.sent.values()) > 1.8 * len(operations)  # what takes nothing can't be asked badly
    assert {200, 400, 401, 404} <= set(fuzz.sent)
