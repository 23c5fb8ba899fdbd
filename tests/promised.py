"""What was told is what the contract says of it: asked of every notice that a test reads."""

from collections.abc import Mapping
from typing import Any

import jsonschema

from reelwright.api.contract_events import described
from reelwright.notices import Kind

_CHECKED = jsonschema.FormatChecker()


def as_promised(kind: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a notice's facts, as its webhook carries them; those of letters alone are promised to nobody."""
    told = described().get(Kind(kind).event)
    if told is not None:
        body = told["post"]["requestBody"]["content"]["application/json"]["schema"]
        schema = {**body["properties"]["data"], "additionalProperties": False}
        jsonschema.validate(dict(facts), schema, format_checker=_CHECKED)
    return facts
