"""The contract by itself: everything in it has a name, a meaning, and leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from reelwright.api.problem_types import TYPES
from reelwright.app import create_app
from tests.api.snapshot import NOWHERE, present

ROOT = Path(__file__).resolve().parents[3]


UNTOLD = {
    *("/schema", "/schema/openapi.json", "/schema/{name}", "/metrics"),
    *("/", "/plans", "/verify", "/password-reset", "/password-reset/confirm"),
    *("/login", "/billing", "/schedules", "/drafts/{draft_id}", "/settings/notifications", "/settings/webhooks"),
}
"""The contract itself, what Prometheus reads, and pages for people."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return present()


@pytest.fixture(scope="module")
def told(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{method.upper()} {path}": one for path, item in document["paths"].items() for method, one in item.items()}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_route_is_told_of(told: dict[str, dict[str, Any]]) -> None:
    """Litestar's own table of routes has nothing for programs that the contract leaves out, and it no more."""
    routes = [route for route in create_app(NOWHERE).routes if isinstance(route, HTTPRoute)]
    served = {f"{method} {route.path_format}" for route in routes for method in route.methods - {"OPTIONS"}}
    assert set(told) <= served
    assert {name.partition(" ")[2] for name in served - set(told)} == UNTOLD


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_names_are_plain_and_no_two_operations_share_one(document, told) -> None:
    names = [one["operationId"] for one in told.values()]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
    assert [name for name in document["components"]["schemas"] if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []


def test_every_operation_says_what_it_does_and_who_may(document, told) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, one in told.items():
        assert one["summary"], name
        assert one["description"], name
        assert set(one["tags"]) <= tags, f"{name}: describe its tag in api/contract_text.py"
        assert one["security"] or not name.partition(" ")[2].startswith("/v1/admin"), name


def test_every_parameter_says_what_it_is_for(told) -> None:
    silent = [
        f"{name}: {p['name']}"
        for name, one in told.items()
        for p in one.get("parameters", ())
        if not p.get("description")
    ]
    assert silent == []


def test_every_edit_takes_the_version_that_was_read(told) -> None:
    """Else one of two who edit at once undoes what the other did. Administrators' switches are set, not edited."""
    edits = {name: one for name, one in told.items() if name.startswith("PATCH ") and "/admin/" not in name}
    assert len(edits) > 8
    for name, one in edits.items():
        assert "If-Match" in {parameter["name"] for parameter in one["parameters"]}, name
        assert {"400", "412"} <= set(one["responses"]), name
        assert "ETag" in one["responses"]["200"]["headers"], name


def test_only_of_a_sound_in_the_making_is_told_where_it_will_be(told) -> None:
    for name in ("GET /v1/music/{track_id}/preview", "POST /v1/voices/{voice_id}/preview"):
        made, being_made = (set(told[name]["responses"][status]["headers"]) for status in ("200", "202"))
        assert being_made - made == {"Location", "Retry-After"}, name


def test_every_refusal_is_a_problem_with_its_codes(document, told) -> None:
    seen: set[str] = set()
    for name, one in told.items():
        for status, answer in one["responses"].items():
            if int(status) < 400 or "$ref" not in answer:
                continue
            refusal = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            assert list(refusal["content"]) == ["application/problem+json"], name
            assert {TYPES[code].status for code in refusal["x-codes"]} == {int(status)}, name
            seen.update(refusal["x-codes"])
        assert "400" in one["responses"], name
        assert "401" in one["responses"] or not one["security"], name
    assert len(seen) > 40


def test_bodies_have_their_bounds(document) -> None:
    """What stands inside of lists has its bounds, too, and nothing may be added."""
    schemas = document["components"]["schemas"]
    assert schemas["CreateRequest"]["additionalProperties"] is False
    assert schemas["CreateRequest"]["properties"]["duration_s"]["maximum"] == 180
    assert schemas["TopicList"]["properties"]["topics"]["items"]["maxLength"] > 0


def test_answers_always_have_all_of_their_fields(document) -> None:
    generation = document["components"]["schemas"]["Generation"]
    assert set(generation["required"]) == set(generation["properties"])
    assert "properties" in document["components"]["schemas"]["Problem"]


def test_the_clients_generator_is_told_of_every_kind_of_answer(told: dict[str, dict[str, Any]]) -> None:
    """What it doesn't know it leaves out, with a warning that nobody reads."""
    config = (ROOT / "docs/client/openapi-python-client.yaml").read_text(encoding="utf-8")
    kinds = {
        kind for one in told.values() for answer in one["responses"].values() for kind in answer.get("content", {})
    } - {"application/json", "application/problem+json"}
    assert [kind for kind in sorted(kinds) if f"  {kind}: " not in config and f'  "{kind}": ' not in config] == []
