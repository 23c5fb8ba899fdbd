"""Every list comes in pages, or stands here with what keeps it short."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.api.snapshot import present

OF_A_GENERATION = "the steps of one generation, or the stories that it wrote"
OF_AN_ACCOUNT = "what one account bought, at most once a month or so"
OF_DAYS = "a line for each kind on each of the days that are asked for, 366 at most"
OF_THE_RELEASE = "what this release knows"
SHORT = {
    "/problems problems": OF_THE_RELEASE,
    "/v1/admin/dead-letters/{letter} runs": OF_A_GENERATION,
    "/v1/admin/usage/requests requests": OF_DAYS,
    "/v1/admin/usage/top-consumers lines": "the first ones, as many as `limit` says, and never others",
    "/v1/admin/usage/tracking-failures failures": OF_DAYS,
    "/v1/admin/users/{user_id} boosts": OF_AN_ACCOUNT,
    "/v1/admin/users/{user_id} subscriptions": OF_AN_ACCOUNT,
    "/v1/credits/balance lapsing_soon": OF_AN_ACCOUNT,
    "/v1/credits/transactions/{transaction} stages": OF_A_GENERATION,
    "/v1/drafts/{draft_id} variants": "the 25 newest, and the selected one; the others are a list of their own",
    "/v1/drafts/{draft_id}/pipeline stages": OF_A_GENERATION,
    "/v1/generations/{generation_id} stages": OF_A_GENERATION,
    "/v1/generations/{generation_id} variants": OF_A_GENERATION,
    "/v1/limits policies": OF_THE_RELEASE,
    "/v1/notification-preferences preferences": OF_THE_RELEASE,
    "/v1/payments/plans packs": OF_THE_RELEASE,
    "/v1/payments/plans plans": OF_THE_RELEASE,
    "/v1/providers providers": OF_THE_RELEASE,
    "/v1/providers/models models": OF_THE_RELEASE,
    "/v1/providers/status models": OF_THE_RELEASE,
    "/v1/usage/by-action actions": OF_DAYS,
    "/v1/usage/daily days": OF_DAYS,
    "/v1/variants/{variant_id} scenes": "a story has 100 at most",
    "/v1/variants/{variant_id}/scenes scenes": "a story has 100 at most",
}
"""By path and field. Whoever adds one says what bounds it, or gives it pages."""
PAGED = 20
"""Fewer would mean that a list has lost its pages, or that this looks in the wrong place."""


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def answers(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each path with the fields of what a GET of it answers."""
    for path, item in document["paths"].items():
        for status, answer in item.get("get", {}).get("responses", {}).items():
            if status.startswith("2") and "application/json" in answer.get("content", {}):
                yield path, resolved(document, answer["content"]["application/json"]["schema"])


def lists_of(document: Mapping[str, Any], fields: Mapping[str, Any]) -> set[str]:
    """The names of the fields that hold many things, each told of by fields of its own."""
    found = set()
    for name, field in fields.items():
        schema = resolved(document, field)
        for one in (schema, *(resolved(document, each) for each in schema.get("anyOf", schema.get("oneOf", ())))):
            if one.get("type") == "array" and "properties" in resolved(document, one["items"]):
                found.add(name)
    return found


def test_every_list_comes_in_pages_or_cannot_grow_long() -> None:
    document = present()
    whole, paged = set(), set()
    for path, schema in answers(document):
        assert schema.get("type") != "array", f"{path}: a bare list could never get pages"
        fields = schema.get("properties", {})
        into = paged if "next_cursor" in fields else whole
        into |= {f"{path} {name}" for name in lists_of(document, fields)}
    assert whole == set(SHORT)
    assert len(paged) >= PAGED, sorted(paged)


def test_every_page_is_asked_for_in_the_same_way() -> None:
    """`limit` and `cursor` in, `next_cursor` out: who can read one list can read them all."""
    document = present()
    for path, schema in answers(document):
        asked = {one["name"] for one in document["paths"][path]["get"].get("parameters", ()) if one["in"] == "query"}
        assert ({"cursor", "limit"} <= asked) == ("next_cursor" in schema.get("properties", {})), path
