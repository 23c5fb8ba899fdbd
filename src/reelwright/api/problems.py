"""Every error as an RFC 9457 problem document: a public code, the field, what to do. Nothing of ours leaks."""

import math
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from reelwright.admission import NotAdmitted
from reelwright.api.arriving import HungUp
from reelwright.api.creations import NO_KEY
from reelwright.api.limits import headers_of_refusal
from reelwright.api.misfits import misfit
from reelwright.api.problem_types import TYPES, title_of, uri_of
from reelwright.ground import log
from reelwright.ground.errors import Kind, Outage, Refusal

_log = log.logger("api.problems")

STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.UNPAID: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.CHANGED: 422,
    Kind.STALE: 412,
    Kind.LIMITED: 429,
}

_CODES: Mapping[int, str] = {
    401: "auth.required",
    404: "request.not_found",
    405: "request.method_not_allowed",
    406: "request.not_acceptable",
    413: "request.too_large",
    415: "request.content_type",
    416: "request.range",
}

_MISSING = {"idempotency-key": ("Idempotency-Key", NO_KEY)}


def problem(status: int, code: str, *, detail: str, instance: str, request_id: str | None) -> dict[str, object]:
    """Return what every problem document says."""
    return {
        "type": uri_of(code),
        "title": title_of(status),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
    }


def document(
    request: Request[Any, Any, Any],
    *,
    status: int,
    code: str,
    detail: str,
    field: str | None = None,
    wait: timedelta | None = None,
    extra: Mapping[str, object] | None = None,
    more_headers: Mapping[str, str] | None = None,
) -> Response[dict[str, object]]:
    """Return the problem document with its headers: `Retry-After` in whole seconds, at least 1, where waiting helps."""
    body: dict[str, object] = dict(extra or {})  # first, so that none of it stands in for a name of RFC 9457
    asked_as: Any = request.scope.get("request_id")
    body |= problem(status, code, detail=detail, instance=request.url.path, request_id=asked_as)
    if field is not None:
        body["field"] = field
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait.total_seconds())))}
    if status == STATUS[Kind.UNAUTHENTICATED]:
        headers["WWW-Authenticate"] = 'Bearer realm="reelwright"'
    headers |= more_headers or {}
    return Response(body, status_code=status, media_type="application/problem+json", headers=headers)


def _refused(
    request: Request[Any, Any, Any], refusal: Refusal, more_headers: Mapping[str, str] | None = None
) -> Response[dict[str, object]]:
    return document(
        request,
        status=STATUS[refusal.kind],
        code=refusal.code,
        detail=refusal.sentence,
        field=refusal.field,
        wait=refusal.wait,
        extra=refusal.extra,
        more_headers=more_headers,
    )


def _limited(request: Request[Any, Any, Any], refusal: NotAdmitted) -> Response[dict[str, object]]:
    """Answer a refusal by limits with every limit's standing, those that don't bind too."""
    return _refused(request, refusal, headers_of_refusal(refusal, request.scope["state"]["account"]))


def _away(request: Request[Any, Any, Any], outage: Outage) -> Response[dict[str, object]]:
    _log.warning("api.outage", code=outage.code)
    return document(request, status=503, code=outage.code, detail=outage.sentence, wait=outage.wait)


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, object]]:
    """Name the first field that is wrong. msgspec stops there, so there is one."""
    if isinstance(error.__cause__, KeyError):  # Litestar's way to miss a parameter
        name = str(error.__cause__.args[0])
        name, said = _MISSING.get(name, (name, f"{name}: send this parameter."))
        return document(request, status=400, code="request.invalid", detail=said, field=name)
    found: list[dict[str, Any]] = (
        [e for e in error.extra if isinstance(e, dict)] if isinstance(error.extra, list) else []
    )
    first = found[0] if found else {}
    name = str(first.get("key") or "")
    parameter = request.route_handler.parsed_fn_signature.parameters.get(name)
    kind = Any if parameter is None else parameter.annotation
    sentence, field = misfit(str(first.get("message") or error.detail), kind, name or None)
    return document(request, status=400, code="request.invalid", detail=sentence, field=field)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, object]]:
    status = error.status_code
    if status >= 500:  # noqa: PLR2004 - the server's half of the status codes
        return _broken(request, error)
    code = _CODES.get(status, "request.invalid")
    detail = str(error.detail)
    if detail == HTTPStatus(status).phrase:  # the framework's own word, which helps nobody
        detail = f"{TYPES[code].happened} {TYPES[code].remedy}"
    return document(request, status=status, code=code, detail=detail, more_headers=error.headers)


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    _log.error("api.bug", route=request.scope.get("path_template"), error=type(error).__name__, exc_info=error)
    return document(
        request,
        status=500,
        code="service.bug",
        detail="This is our fault and has been logged; quote the request_id when you tell us about it.",
    )


def _endless(request: Request[Any, Any, Any], _error: RecursionError) -> Response[dict[str, object]]:
    return document(request, status=400, code="request.invalid", detail="The body is nested too deeply.")


def _hung_up(request: Request[Any, Any, Any], _error: HungUp) -> Response[dict[str, object]]:
    """Answer nobody: the status is for the log line."""
    return document(request, status=400, code="request.invalid", detail="The request ended before its body did.")


HANDLERS: ExceptionHandlersMap = {
    HungUp: _hung_up,
    NotAdmitted: _limited,
    Refusal: _refused,
    Outage: _away,
    ValidationException: _invalid,
    HTTPException: _http,
    RecursionError: _endless,
    Exception: _broken,
}
