"""/schema and /problems: the contract to read, in a browser without any other server, and each problem's page."""

import functools
from collections.abc import Mapping
from html import escape
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response
from litestar.params import FromPath
from msgspec.json import encode

from reelwright.api import contract
from reelwright.api.methods import public_read
from reelwright.api.problem_types import PATH, TYPES, ProblemType, title_of, uri_of
from reelwright.ground.errors import NotFound

_SCHEMA = "/schema"
_START = b"""\
window.ui = SwaggerUIBundle({
  url: "/schema/openapi.json", dom_id: "#contract", deepLinking: true, displayRequestDuration: true, filter: true,
  docExpansion: "none", validatorUrl: null, presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""
_STYLE = b"""\
:root { --ink: #16211e; --soft: #5c635f; --paper: #f3f1ec; --card: #fff; --line: #e2ded4;
  --deep: #1d5c4d; --bad: #a3261c; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #eceae4; --soft: #a4aaa6; --paper: #141816; --card: #1d2320; --line: #333b37;
  --deep: #5fbfa4; --bad: #ff8b80; } }
body { background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 48rem; overflow-wrap: anywhere; padding: 0 1rem; }
a { color: var(--deep); } code { font-family: ui-monospace, monospace; }
dt { font-weight: 600; margin-top: 1rem; } dd { margin: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin: 8vh auto; max-width: 26rem;
  padding: 2rem; }
.wide { max-width: 44rem; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto;
  overflow-wrap: normal; padding: .75rem; }
.card h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem; }
.brand { color: var(--deep); font-weight: 700; margin: 0 0 1.5rem; }
label { display: block; font-weight: 600; margin: 1rem 0 .35rem; }
input { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; box-sizing: border-box;
  color: inherit; font: inherit; padding: .65rem .75rem; width: 100%; }
button { background: var(--deep); border: 0; border-radius: 8px; color: var(--card); cursor: pointer; font: inherit;
  font-weight: 600; margin-top: 1.25rem; padding: .75rem 1.25rem; width: 100%; }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid var(--deep); outline-offset: 2px; }
.hint { color: var(--soft); font-size: .875rem; margin: .35rem 0 0; }
.wrong { border-left: 3px solid var(--bad); color: var(--bad); padding-left: .75rem; }
"""
_FROM_WHEEL: Mapping[str, str] = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)  # Swagger UI's style sheet carries its icons as data: addresses
_KEPT = {"Cache-Control": "public, max-age=3600"}


class ProblemTypeView(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means, and what to do. `status` null: it is told of work only, as a generation's failure."""

    type: str
    code: str
    status: int | None
    title: str | None
    happened: str
    remedy: str


class ProblemTypesView(msgspec.Struct, frozen=True, kw_only=True):
    problems: list[ProblemTypeView]


@public_read(_SCHEMA, include_in_schema=False, sync_to_thread=False, media_type=MediaType.HTML)
def browse_schema() -> Response[str]:
    """Show the contract, and let it be tried out."""
    body = f'<div id="contract"></div><script src="{_SCHEMA}/swagger-ui-bundle.js"></script>'
    shown = page("Reelwright's API", f'{body}<script src="{_SCHEMA}/start.js"></script>', style="swagger-ui.css")
    return Response(shown, headers={"Content-Security-Policy": _POLICY})


@public_read(f"{_SCHEMA}/openapi.json", include_in_schema=False, sync_to_thread=True)
def read_schema(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the contract as OpenAPI 3.1."""
    return Response(_written(request.app), media_type="application/vnd.oai.openapi+json", headers=_KEPT)


@public_read(f"{_SCHEMA}/{{name:str}}", include_in_schema=False, sync_to_thread=True)
def read_schema_asset(name: FromPath[str]) -> Response[bytes]:
    """Return what the page is made of."""
    ours = {"start.js": (_START, "text/javascript"), "pages.css": (_STYLE, "text/css")}
    if name in _FROM_WHEEL:
        return Response(_packed(name), media_type=_FROM_WHEEL[name], headers=_KEPT)
    if name not in ours:
        raise NotFound("There is nothing here: the contract is at /schema and at /schema/openapi.json.")
    return Response(ours[name][0], media_type=ours[name][1], headers=_KEPT)


@public_read(PATH, sync_to_thread=False, summary="List the problem types", tags=["operations"])
def list_problems(request: Request[Any, Any, Any]) -> Response[ProblemTypesView]:
    """Return every code that an error may have, with its meaning: as JSON, or as a page for browsers."""
    if _wants_page(request):
        items = "".join(
            f'<dt><a href="{uri_of(code)}"><code>{code}</code></a></dt><dd>{escape(known.happened)}</dd>'
            for code, known in sorted(TYPES.items())
        )
        return _html("Problems", f"<h1>Problems</h1><dl>{items}</dl>")
    return Response(ProblemTypesView(problems=[_view(code, known) for code, known in sorted(TYPES.items())]))


@public_read(f"{PATH}/{{code:str}}", sync_to_thread=False, summary="Explain a problem", tags=["operations"])
def read_problem(request: Request[Any, Any, Any], code: FromPath[str]) -> Response[ProblemTypeView]:
    """Return what a code means and what to do: as JSON, or as a page for browsers."""
    known = TYPES.get(code)
    if known is None:
        raise NotFound(f"There is no such problem; {PATH} lists them.")
    if not _wants_page(request):
        return Response(_view(code, known))
    status = f"{known.status} {escape(title_of(known.status))}" if known.status else "none: told of finished work only"
    rows = f"<dt>What happened</dt><dd>{escape(known.happened)}</dd><dt>What to do</dt><dd>{escape(known.remedy)}</dd>"
    return _html(
        code, f'<h1><code>{code}</code></h1><dl>{rows}<dt>Status</dt><dd>{status}</dd></dl><a href="{PATH}">All</a>'
    )


def _view(code: str, known: ProblemType) -> ProblemTypeView:
    return ProblemTypeView(
        type=uri_of(code),
        code=code,
        status=known.status or None,
        title=title_of(known.status) if known.status else None,
        happened=known.happened,
        remedy=known.remedy,
    )


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    return request.accept.best_match(["application/json", "text/html"], default="application/json") == "text/html"


def _html(title: str, body: str) -> Response[Any]:
    return Response(page(title, body, style="pages.css"), media_type=MediaType.HTML)


def page(title: str, body: str, *, style: str) -> str:
    """Return a whole page around a body that is HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{_SCHEMA}/{style}"></head><body>{body}</body></html>'
    )


def _written(app: Litestar) -> bytes:
    """Return the contract, made when it is first asked for: that takes a fifth of a second."""
    if "contract" not in app.state:
        app.state.contract = encode(contract.document(app))
    return app.state.contract


@functools.cache
def _packed(name: str) -> bytes:
    """Return a file of the wheel that carries Swagger UI (Apache 2.0)."""
    import swagger_ui_bundle  # noqa: PLC0415 - only who opens the page needs it

    return (swagger_ui_bundle.swagger_ui_path / name).read_bytes()


public_pages = [browse_schema, read_schema, read_schema_asset, list_problems, read_problem]
