"""Every example in the contract runs: whoever copies it gets what the contract says, in the words that it shows."""

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from reelwright.api.contract_text import ANSWERS, EXAMPLES
from tests.api.callers import Callers
from tests.api.security.objects import objects
from tests.api.snapshot import present
from tests.builders import a_written_draft

REFUSED_HERE = {
    *("buy_credits", "subscribe", "buy_boost", "change_plan", "log_in", "resume", "resume_pipeline"),
    *("refund_generation", "verify_address", "confirm_password_reset", "step_up", "change_me"),
    *("delete_account", "delete_user"),
}
"""Nobody pays at the tests' server, the person of the examples hasn't signed up nor got a letter, and nothing failed,
rests or was charged."""
CORE = {
    *("create", "read_generation", "list_generations", "regenerate", "calculate_cost", "read_limits", "read_balance"),
    *("save_asset", "list_assets", "add_draft", "add_webhook", "add_key"),
}
READ = sorted(name for name in ANSWERS if name not in EXAMPLES)
_CHANGING = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<id>",
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)": "<time>",
    r"(rw_test_|whsec_)[\w+/=]+": r"<\1…>",
}


def told() -> dict[str, tuple[str, str, Any]]:
    return {
        one["operationId"]: (method, path, one)
        for path, item in present()["paths"].items()
        for method, one in item.items()
    }


def masked(value: Any) -> Any:
    """Return an answer without what is another one each time."""
    if isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, str):
        for pattern, stand_in in _CHANGING.items():
            value = re.sub(pattern, stand_in, value)
    return value


@pytest.fixture
async def known(anyone: httpx.AsyncClient, callers: Callers, name: str) -> dict[str, str]:
    """Return ids by the names that paths and bodies have for them. Nobody is at work at what is changed."""
    if name not in READ and "{" not in told()[name][1] and name not in {"regenerate", "add_music"}:
        return {}
    ids = await objects(anyone, callers, callers.db)
    if name == "change_draft" or name.startswith("regenerate"):
        idle = await a_written_draft(callers.db, callers.user_account.id)
        ids |= {"draft_id": str(idle.draft), "variant_id": str(idle.variant)}
    return ids | {"media_id": ids["sound_id"]}


def test_every_body_has_an_example_and_each_core_operation_an_answer() -> None:
    with_body = {
        name
        for name, (_, _, one) in told().items()
        if "application/json" in one.get("requestBody", {}).get("content", {})
    }
    assert set(EXAMPLES) == with_body
    assert set(ANSWERS) >= CORE


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_an_example_of_an_answer_is_of_its_type(name: str) -> None:
    """In the contract itself, where its reader finds it; with every field, as answers always have them."""
    _, _, one = told()[name]
    shown = [each.get("content", {}).get("application/json", {}) for each in one["responses"].values()]
    (shown,) = [each for each in shown if "example" in each]
    assert shown["example"] == ANSWERS[name]
    Draft202012Validator({**shown["schema"], "components": present()["components"]}).validate(shown["example"])


@pytest.mark.parametrize(("name", "label"), [(name, label) for name in sorted(EXAMPLES) for label in EXAMPLES[name]])
async def test_an_example_runs(
    anyone: httpx.AsyncClient, callers: Callers, known: dict[str, str], name: str, label: str
) -> None:
    method, path, one = told()[name]
    who = callers.admin if path.startswith("/v1/admin") else callers.user
    body = EXAMPLES[name][label]
    named = {field: known[field] for field in ("draft_id", "media_id") if field in body}
    headers = {**who, "Idempotency-Key": label}
    answer = await anyone.request(method, path.format(**known), json=body | named, headers=headers)
    assert str(answer.status_code) in one["responses"], answer.text
    assert (answer.status_code < 400) == (name not in REFUSED_HERE), answer.text
    if label == next(iter(EXAMPLES[name])) and name in ANSWERS:
        assert masked(answer.json()) == masked(ANSWERS[name])


@pytest.mark.parametrize("name", READ)
async def test_what_is_read_is_as_it_is_shown(
    anyone: httpx.AsyncClient, callers: Callers, known: dict[str, str], name: str
) -> None:
    _, path, _ = told()[name]
    answer = await anyone.get(path.format(**known), headers=callers.user)
    assert masked(answer.json()) == masked(ANSWERS[name])
