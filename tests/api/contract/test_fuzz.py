"""A slice of what `python -m tests.fuzz` does at length: each operation, well and badly, by who may and by nobody."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from schemathesis import GenerationMode

from tests.api.contract import asked
from tests.api.fuzzing import Fuzz

SEED = int(os.environ.get("REELWRIGHT_FUZZ_SEED", "20261121"))
MINUTES = float(os.environ.get("REELWRIGHT_FUZZ_MINUTES", "0"))
REPLAYED = "idempotency-replayed"
NOT_ALWAYS = {
    # what was paused goes on within the limits that it was let in by
    "POST /v1/drafts/{draft_id}/pipeline/resume": {REPLAYED, "ratelimit", "ratelimit-policy"}
}
WELL, BADLY = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def slice_of(fuzz: Fuzz, operations: list[Any]) -> None:
    """Ask each once badly, as it is taken, and once well: all of a kind, before those that end something."""
    for _, kind in itertools.groupby(operations, asked.turn):
        some = list(kind)
        for operation in some:
            may = asked.role(operation.label)
            fuzz.ask(operation, may, BADLY, seed=SEED, examples=1)
            if fuzz.ask_plainly(operation, "nobody") >= 300:
                fuzz.ask_plainly(operation, may)
        for operation in some:
            if operation.body or operation.query:
                fuzz.ask(operation, asked.role(operation.label), WELL, seed=SEED, examples=1)


def at_length(fuzz: Fuzz, operations: list[Any], *, turn: int, until: float) -> None:
    """Ask each a few times by everybody."""
    for operation in operations:
        for role in {asked.role(operation.label), "user", "admin", "nobody"}:
            for mode in (WELL, BADLY):
                if time.monotonic() > until:
                    return
                fuzz.ask(operation, role, mode, seed=SEED + turn, examples=5)


# the app's own thread uses `random` while a strategy draws in another one
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
async def test_every_answer_is_in_the_contract(fuzz: Fuzz, meet: Callable[[int], Awaitable[None]]) -> None:
    """No bug, no status, code, header or field that isn't told of, and nothing wrong that is taken for right."""
    operations = sorted(fuzz.operations(), key=asked.turn)
    assert len(operations) > 150
    until = time.monotonic() + 60 * MINUTES
    await meet(0)
    await asyncio.to_thread(slice_of, fuzz, operations)
    for turn in itertools.count(1):
        if time.monotonic() > until:
            break
        await meet(turn)
        await asyncio.to_thread(at_length, fuzz, operations, turn=turn, until=until)

    assert not fuzz.failures, "\n\n".join(f"{name}\n{told}" for name, told in fuzz.failures.items())
    taken = {(one.label, status): one for one in operations for label, status in fuzz.headers if label == one.label}
    never = {
        (*answer, name)
        for answer, one in taken.items()
        for name in fuzz.listed(one, answer[1]) - fuzz.headers[answer] - NOT_ALWAYS.get(one.label, {REPLAYED})
        if answer[1] < 300
    }
    assert not never, "the contract tells of headers that no answer had"
    untaken = {label for label, statuses in fuzz.sent.items() if min(statuses) >= 300}
    assert untaken == set(asked.UNTAKEN), "what nothing takes is asked about nothing: give it what it needs, or say why"
    refused = {one.label for one in operations if one.body and not {400, 413, 415, 422} & set(fuzz.sent[one.label])}
    assert not refused, "these looked at no body that is wrong"
