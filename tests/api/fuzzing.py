"""Schemathesis against the app in this process: cases made from the contract, sent on the app's loop, answers checked.

Its own runners would start the app on another loop, which breaks asyncpg's pools; so it makes cases and judges answers,
and we send.
"""

import asyncio
import contextlib
import copy
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import Unsatisfiable
from litestar import Litestar
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation as Where
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
_NOT_OF_STREAMS = [response_schema_conformance]
"""Schemathesis holds each event to the schema of the whole text."""


@dataclass
class Fuzz:
    """What is asked of whom: roles by name with their headers, ids of things that are there, and bodies that are taken.

    `instead` has ids and `bodies` a body by operation, for those that need others, or have no example in the contract.
    """

    app: Litestar
    document: dict[str, Any]
    redis: Any
    roles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bodies: Mapping[str, Any] = field(default_factory=dict)
    sent: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    failures: dict[str, str] = field(default_factory=dict)
    headers: dict[tuple[str, int], set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE)
        self.schema = schemathesis.openapi.from_dict(strict(self.document))

    def operations(self) -> list[Any]:
        """Return all that can be asked."""
        return [one.ok() for one in self.schema.get_all_operations()]

    def ask_plainly(self, operation: Any, role: str) -> int:
        """Ask for what is there by a body that is taken; return the status. Runs in a thread."""
        body = self.bodies.get(operation.label, self._example(operation))
        case = operation.Case(
            path_parameters={one.name: self._ids(operation)[one.name] for one in operation.path_parameters},
            headers={"Idempotency-Key": uuid4().hex},
            query={one.name: self.known[one.name] for one in operation.query if one.is_required},
            **({} if body is None else {"body": body, "media_type": "application/json"}),
        )
        answer = self._send(case, role)
        self._judge(case, answer, f"{operation.label} as {role}, plainly")
        return answer.status_code

    def _ids(self, operation: Any) -> Mapping[str, str]:
        return {**self.known, **self.instead.get(operation.label, {})}

    def _example(self, operation: Any) -> Any:
        told = self.document["paths"][operation.path][operation.method.lower()].get("requestBody", {"content": {}})
        examples = told["content"].get("application/json", {}).get("examples", {})
        return next((one["value"] for one in examples.values()), None)

    def ask(self, operation: Any, role: str, mode: GenerationMode, *, seed: int, examples: int) -> None:
        """Send so many cases of an operation; keep the first failure of each kind. Runs in a thread."""
        cases = operation.as_strategy(generation_mode=mode)
        if mode is GenerationMode.NEGATIVE and (operation.body or operation.query):
            cases = cases.filter(_bad_beside_its_path)

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=cases)
        def one(case: Any) -> None:
            ids = self._ids(operation)
            if mode is GenerationMode.POSITIVE or _bad_beside_its_path(case):
                for name in set(case.path_parameters or ()) & set(ids):
                    case.path_parameters[name] = ids[name]
            self._judge(case, self._send(case, role), f"{operation.label} as {role}, {mode.value}")

        with contextlib.suppress(Unsatisfiable):  # what takes nothing can't be asked badly
            one()

    def _send(self, case: Any, role: str) -> Response:
        given = case.as_transport_kwargs(base_url=BASE)
        given.pop("cookies", None)
        told = {name: value for name, value in given["headers"].items() if name.lower() not in _WHO}
        given["headers"] = {**told, **self.roles[role]}
        prepared = requests.Request(**{key: given[key] for key in given if key in _OF_REQUESTS}).prepare()
        headers = [(_wire(name), _wire(value)) for name, value in prepared.headers.items()]
        method, url = prepared.method or "GET", prepared.url or BASE
        asked = self.client.build_request(method, url, headers=headers, content=prepared.body)
        asyncio.run_coroutine_threadsafe(self.redis.flushdb(), self.loop).result(PATIENCE_S)  # no limit is full
        answer = asyncio.run_coroutine_threadsafe(self.client.send(asked), self.loop).result(PATIENCE_S)
        self.sent[case.operation.label][answer.status_code] += 1
        self._call_off(answer)
        return Response.from_any(answer)

    def _call_off(self, answer: httpx.Response) -> None:
        """Stop what was begun, so that an account may begin the next."""
        if answer.status_code == 202 and (begun := answer.json().get("generation_id")) not in self.known.values():
            stop = self.client.post(f"/v1/generations/{begun}/cancel", headers=self.roles["user"])
            asyncio.run_coroutine_threadsafe(stop, self.loop).result(PATIENCE_S)

    def _judge(self, case: Any, answer: Response, told: str) -> None:
        self._check_headers(case, answer, told)
        if answer.status_code >= _REFUSED and case.operation.method.upper() != "HEAD":
            self._check_code(case, answer, told)
        stream = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
        try:
            case.validate_response(answer, checks=_CHECKS, excluded_checks=_NOT_OF_STREAMS if stream else [])
        except FailureGroup as group:
            for failure in group.exceptions:
                name = f"{told}: {type(failure).__name__} {answer.status_code}"
                self.failures.setdefault(name, f"{failure}\n{case.as_curl_command()}\n{answer.text_lossy()[:600]}")

    def _check_headers(self, case: Any, answer: Response, told: str) -> None:
        """What programs go by must be told of: a client that isn't told of an ETag can't edit safely."""
        operation, status = case.operation, answer.status_code
        found = self.headers.setdefault((operation.label, status), set())
        found |= set(answer.headers) - UNTOLD
        if missing := found - self.listed(operation, status):
            self.failures.setdefault(f"{told}: {status} with {', '.join(missing)}", case.as_curl_command())

    def listed(self, operation: Any, status: int) -> set[str]:
        """Return the names of the headers that the contract tells of an answer, in small letters."""
        one = self.document["paths"][operation.path][operation.method.lower()]["responses"].get(str(status), {})
        if name := one.get("$ref", "").rpartition("/")[2]:
            one = self.document["components"]["responses"][name]
        return {header.lower() for header in one.get("headers", ())}

    def _check_code(self, case: Any, answer: Response, told: str) -> None:
        """A bug of ours is one even where it is told of, and a refusal's code is one of those that are."""
        code = answer.json().get("code") if "json" in answer.headers.get("content-type", [""])[0] else None
        listed = self.document["paths"][case.operation.path][case.operation.method.lower()]["responses"]
        refusal = listed.get(str(answer.status_code), {}).get("$ref", "").rpartition("/")[2]
        codes = self.document["components"]["responses"].get(refusal, {"x-codes": [None]})["x-codes"]
        if code == "service.bug" or code not in codes:
            self.failures.setdefault(f"{told}: {code}", f"{case.as_curl_command()}\n{answer.text_lossy()[:600]}")


def _bad_beside_its_path(case: Any) -> bool:
    """Headers don't count, for the role's stand in for them; and by a bad path alone nothing would be looked at."""
    found = case.meta.components
    return any(where in found and found[where].mode.is_negative for where in (Where.BODY, Where.QUERY))


_REFUSED = 400
UNTOLD = {
    *("content-type", "content-length", "content-security-policy", "x-content-type-options", "referrer-policy"),
    *("cache-control", "vary", "strict-transport-security", "x-frame-options", "permissions-policy"),
    *("cross-origin-opener-policy", "cross-origin-resource-policy", "content-disposition"),
    "x-accel-buffering",
}
"""What HTTP itself, a proxy or a browser goes by."""
_WHO = {"authorization", "cookie"}
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
    for name in set(schemas) - sent:
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
