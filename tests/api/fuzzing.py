"""Schemathesis against the app in this process: cases made from the contract, sent on the app's loop, answers checked.

Its own runners would start the app on another loop, which breaks asyncpg's pools; so it makes cases and judges answers,
and we send.
"""

import asyncio
import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

PATIENCE_S = 20
BASE = "http://api"
_CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@dataclass
class Fuzz:
    """What is asked of whom: roles by name with their headers, and ids of things that are there."""

    app: Litestar
    document: dict[str, Any]
    roles: Mapping[str, Mapping[str, str]]
    known: Mapping[str, str]
    sent: dict[int, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE)
        self.schema = schemathesis.openapi.from_dict(strict(self.document))

    def operations(self) -> list[Any]:
        """Return what can be asked. A stream that lasts is not: its tests have a server of their own."""
        found = [one.ok() for one in self.schema.get_all_operations()]
        return [one for one in found if not one.path.endswith("/events")]

    def ask(self, operation: Any, role: str, mode: GenerationMode, *, seed: int, examples: int) -> None:
        """Send so many cases of an operation; keep the first failure of each kind. Runs in a thread."""

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                for name in set(case.path_parameters or ()) & set(self.known):
                    case.path_parameters[name] = self.known[name]
            self._judge(case, self._send(case, role), f"{operation.label} as {role}, {mode.value}")

        with contextlib.suppress(Unsatisfiable):  # what takes nothing can't be asked badly
            one()

    def _send(self, case: Any, role: str) -> Response:
        given = case.as_transport_kwargs(base_url=BASE)
        given.pop("cookies", None)
        given["headers"] = {**given["headers"], **self.roles[role]}
        prepared = requests.Request(**{key: given[key] for key in given if key in _OF_REQUESTS}).prepare()
        headers = [(_wire(name), _wire(value)) for name, value in prepared.headers.items()]
        method, url = prepared.method or "GET", prepared.url or BASE
        asked = self.client.build_request(method, url, headers=headers, content=prepared.body)
        answer = asyncio.run_coroutine_threadsafe(self.client.send(asked), self.loop).result(PATIENCE_S)
        self.sent[answer.status_code] = self.sent.get(answer.status_code, 0) + 1
        return Response.from_any(answer)

    def _judge(self, case: Any, answer: Response, told: str) -> None:
        if answer.status_code >= _REFUSED and case.operation.method.upper() != "HEAD":
            self._check_code(case, answer, told)
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                name = f"{told}: {type(failure).__name__} {answer.status_code}"
                self.failures.setdefault(name, f"{failure}\n{case.as_curl_command()}\n{answer.text_lossy()[:600]}")

    def _check_code(self, case: Any, answer: Response, told: str) -> None:
        """A bug of ours is one even where it is told of, and a refusal's code is one of those that are."""
        code = answer.json().get("code") if "json" in answer.headers.get("content-type", [""])[0] else None
        listed = self.document["paths"][case.operation.path][case.operation.method.lower()]["responses"]
        refusal = listed.get(str(answer.status_code), {}).get("$ref", "").rpartition("/")[2]
        codes = self.document["components"]["responses"].get(refusal, {"x-codes": [None]})["x-codes"]
        if code == "service.bug" or code not in codes:
            self.failures.setdefault(f"{told}: {code}", f"{case.as_curl_command()}\n{answer.text_lossy()[:600]}")


_REFUSED = 400
_OF_REQUESTS = {"method", "url", "headers", "params", "data", "json", "files"}


def _wire(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Return the contract with answers that have no field which it doesn't tell of: nothing of ours leaks."""
    held = copy.deepcopy(document)
    sent = {name for item in held["paths"].values() for one in item.values() for name in _named(one.get("requestBody"))}
    schemas = held["components"]["schemas"]
    while (more := sent | {name for known in sent for name in _named(schemas[known])}) != sent:
        sent = more
    for name in set(schemas) - sent - {"Problem"}:
        if "properties" in schemas[name]:
            schemas[name]["additionalProperties"] = False
    return held


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and "/schemas/" in each:
                yield each.rpartition("/")[2]
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)
