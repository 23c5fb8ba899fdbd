"""Every example in the contract runs: whoever copies it gets what the contract says."""

from typing import Any

import httpx
import pytest

from reelwright.api.contract_text import EXAMPLES
from tests.api.callers import Callers
from tests.api.security.objects import objects
from tests.api.snapshot import present

REFUSED_HERE = {"buy_credits", "subscribe", "buy_boost", "log_in", "resume", "refund_generation"}
"""Nobody pays at the tests' server, the person of the examples hasn't signed up, and nothing failed or was charged."""


def told() -> dict[str, tuple[str, str, Any]]:
    return {
        one["operationId"]: (method, path, one)
        for path, item in present()["paths"].items()
        for method, one in item.items()
    }


def test_every_example_is_of_an_operation_and_most_bodies_have_one() -> None:
    with_body = {name for name, (_, _, one) in told().items() if "requestBody" in one}
    assert set(EXAMPLES) <= with_body
    assert len(EXAMPLES) >= len(with_body) / 2


@pytest.mark.parametrize(("name", "label"), [(name, label) for name in sorted(EXAMPLES) for label in EXAMPLES[name]])
async def test_an_example_runs(anyone: httpx.AsyncClient, callers: Callers, name: str, label: str) -> None:
    method, path, one = told()[name]
    known = await objects(anyone, callers, callers.db) if "{" in path else {}
    who = callers.admin if path.startswith("/v1/admin") else callers.user
    headers = {**who, "Idempotency-Key": label}
    answer = await anyone.request(method, path.format(**known), json=EXAMPLES[name][label], headers=headers)
    assert str(answer.status_code) in one["responses"], answer.text
    assert (answer.status_code < 400) == (name not in REFUSED_HERE), answer.text
