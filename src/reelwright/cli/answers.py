"""What the API answers, to a command: the JSON, or the problem's own sentence as a refusal or an outage."""

from typing import Any

import httpx

from reelwright.ground.errors import Outage, Refusal


def good(response: httpx.Response, *, refused: type[Refusal] = Refusal) -> Any:
    """Return the JSON of a good answer, None for an empty one. Raises `refused` and Outage with the API's sentence."""
    if response.is_success:
        return response.json() if response.content else None
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    problem: dict[str, Any] = response.json() if is_problem else {}
    sentence = problem.get("detail") or f"The API answered {response.status_code}."
    if response.is_server_error:
        raise Outage(sentence, code=problem.get("code"))
    raise refused(sentence, field=problem.get("field"), code=problem.get("code"))
