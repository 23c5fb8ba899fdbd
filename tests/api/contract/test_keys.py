"""The contract asks for an Idempotency-Key where the server does."""

import re
from uuid import UUID

import httpx
from litestar import Litestar

from reelwright.api.contract_text import EXAMPLES
from reelwright.api.operations import Operation, operations
from tests.api.callers import Callers
from tests.api.contract.test_unambiguous import NAMED
from tests.api.security.objects import objects
from tests.api.snapshot import present


def told_of(one: Operation) -> tuple[bool, str]:
    asked = present()["paths"][one.path][one.method.lower()]["parameters"]
    (key,) = (each for each in asked if each["name"] == "Idempotency-Key")
    return key["required"], key["description"]


async def test_a_key_is_needed_where_the_contract_says_so(
    app: Litestar, anyone: httpx.AsyncClient, callers: Callers
) -> None:
    """A generated client asks for what is required: it was left out, and answered 400 for that."""
    ids, needed = await objects(anyone, callers, callers.db), set[str]()
    for one in operations(app):
        if "Idempotency-Key" not in one.headers or one.handler.opt.get("takes_files"):
            continue
        path = re.sub(r"{(\w+)}", lambda found: ids.get(found[1]) or NAMED.get(found[1], str(UUID(int=1))), one.path)
        who = callers.admin if "/admin/" in path else callers.user
        body = next(iter(EXAMPLES.get(one.name, {}).values()), None)
        answer = await anyone.request(one.method, path, json=body, headers=who)
        refused = answer.status_code == 400 and answer.json().get("field") == "Idempotency-Key"
        required, description = told_of(one)
        assert refused == (required or description.startswith("Needed unless dry_run: ")), (one, answer.text)
        assert required == (refused and "dry_run" not in one.parameters), one
        if refused:
            assert answer.json()["detail"].startswith("Send an Idempotency-Key header: "), one
            needed.add(one.name)
    assert len(needed) == 18
